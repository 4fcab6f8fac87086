import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import type { AgentIdentity } from '../../../control-plane/src/identity/agent-identity.ts'
import { Line } from '../world/line.ts'
import { mustRun, type Thread } from '../world/simulated-process.ts'
import type { Way } from '../world/way.ts'

/** Who takes connections: the pod of the control plane that the Service chose. */
export interface Listener {
  readonly thread: Thread
  readonly way: Way
  /** Called in its thread. @returns whether it takes the connection; else it answers 503 */
  accept(socket: WebSocket, from: Caller): boolean
}

/** Who connects, as its token tells. */
export interface Caller {
  readonly credentials: AgentIdentity
}

/** A place from which the control plane is reached. */
export interface HasControlPlane extends Caller {
  readonly toControlPlane: Way
  /** What the Service chooses; nothing where no pod is ready. */
  chosenPod(): Listener | undefined
}

type Frame =
  | { readonly kind: 'text'; readonly data: Buffer }
  | { readonly kind: 'ping' | 'pong' | 'end' }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }

/** What kernels hold of a connection, as far as it matters here: everything of small messages. */
const nothingBuffered = 0

/**
 * Stands for the WebSocket of `ws`, on either side: states, the closing handshake, pings that a peer answers only while
 * it reads, and connections that break, freeze or stay half-open. Not simulated: frames in parts, bytes that wait
 * because the other side does not read them, TLS.
 */
export class WebSocket extends EventEmitter {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3

  readonly bufferedAmount = nothingBuffered
  readyState: 0 | 1 | 2 | 3 = WebSocket.CONNECTING
  isPaused = false
  readonly #thread: Thread
  readonly #unread: Frame[] = []
  #peer: WebSocket | undefined
  /** To the other side. */
  #line: Line | undefined
  #hasSentClose = false
  #received = { code: 1006, reason: '' }
  readonly #onEnd = (): void => this.#sayEnd()

  constructor(url?: URL, protocols?: readonly string[], options?: object) {
    super()
    this.#thread = mustRun()
    this.#thread.process.onEnd.add(this.#onEnd)
    // The side that accepts has no URL; the other one offers a protocol and proves itself.
    if (url !== undefined && protocols !== undefined && options !== undefined) this.#connect()
  }

  send(data: string, sent: (error?: Error) => void = () => undefined): void {
    if (this.readyState === WebSocket.CONNECTING) throw new Error('WebSocket is not open: readyState 0 (CONNECTING)')
    if (this.readyState === WebSocket.OPEN) this.#transmit({ kind: 'text', data: Buffer.from(data) })
    const error = this.readyState === WebSocket.OPEN ? undefined : new Error('WebSocket is not open')
    this.#thread.deliver(0, () => sent(error))
  }

  ping(): void {
    if (this.readyState === WebSocket.CONNECTING) throw new Error('WebSocket is not open: readyState 0 (CONNECTING)')
    if (this.readyState === WebSocket.OPEN) this.#transmit({ kind: 'ping' })
  }

  pause(): void {
    if (this.readyState === WebSocket.OPEN || this.readyState === WebSocket.CLOSING) this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.#thread.deliver(0, () => this.#read())
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState === WebSocket.CONNECTING) return this.terminate()
    if (this.readyState !== WebSocket.OPEN) return
    this.readyState = WebSocket.CLOSING
    this.#sendClose(code, reason)
  }

  terminate(): void {
    if (this.readyState === WebSocket.CLOSED) return
    const wasConnecting = this.readyState === WebSocket.CONNECTING
    this.readyState = WebSocket.CLOSING
    // What its kernel has not sent yet may be thrown away.
    if (this.#thread.process.world.random() < 0.3) this.#line?.discard()
    this.#sayEnd()
    this.#thread.deliver(0, () => {
      if (wasConnecting) this.emit('error', new Error('WebSocket was closed before the connection was established'))
      this.#closed()
    })
  }

  /** Connects the two ends of a connection. */
  #join(peer: WebSocket, ways: readonly Way[]): void {
    const { world } = this.#thread.process
    this.#peer = peer
    this.#line = new Line({
      world,
      ways,
      to: peer.#thread,
      onBroken: () => peer.#take({ kind: 'end' }),
    })
  }

  #connect(): void {
    const place = this.#thread.process.place as HasControlPlane
    const { toControlPlane } = place
    const refuse = (error: Error): void =>
      this.#thread.deliver(1, () => {
        if (this.readyState !== WebSocket.CONNECTING) return
        this.readyState = WebSocket.CLOSING
        this.emit('error', error)
        this.#closed()
      })
    const pod = place.chosenPod()
    if (pod === undefined || toControlPlane.breaks || pod.way.breaks) {
      refuse(new Error('connect ECONNREFUSED'))
      return
    }
    const { world } = this.#thread.process
    const { thread } = pod
    const ways = [toControlPlane, pod.way]
    const handshake = new Line({ world, ways, to: thread, onBroken: () => undefined })
    const answer = new Line({ world, ways, to: this.#thread, onBroken: () => refuse(new Error('socket hang up')) })
    handshake.send(() => {
      const socket = new WebSocket()
      const isTaken = pod.accept(socket, place)
      if (isTaken) {
        socket.#join(this, ways)
        this.#join(socket, ways)
        socket.readyState = WebSocket.OPEN
      }
      answer.send(() => {
        answer.end()
        handshake.end()
        if (isTaken) this.#opened()
        else this.#refused()
      })
    })
  }

  #opened(): void {
    if (this.readyState !== WebSocket.CONNECTING) {
      this.#sayEnd()
      return
    }
    this.readyState = WebSocket.OPEN
    this.emit('open')
    this.#thread.deliver(0, () => this.#read())
  }

  #refused(): void {
    if (this.readyState !== WebSocket.CONNECTING) return
    const body = Readable.from([Buffer.from('this pod cannot register agents at the moment\n')])
    const response = Object.assign(body, { statusCode: 503, headers: { 'retry-after': '1' } })
    this.emit('unexpected-response', { destroy: () => undefined }, response)
    this.readyState = WebSocket.CLOSED
    this.#thread.process.onEnd.delete(this.#onEnd)
  }

  #transmit(frame: Frame): void {
    const peer = this.#peer
    if (peer !== undefined) this.#line?.send(() => peer.#take(frame))
  }

  #take(frame: Frame): void {
    if (this.readyState === WebSocket.CLOSED) return
    this.#unread.push(frame)
    this.#read()
  }

  /** One at a time: whoever is told of a frame may pause. */
  #read(): void {
    while (!this.isPaused && this.readyState !== WebSocket.CONNECTING && this.readyState !== WebSocket.CLOSED) {
      const frame = this.#unread.shift()
      if (frame === undefined) return
      this.#handle(frame)
    }
  }

  #handle(frame: Frame): void {
    switch (frame.kind) {
      case 'text':
        this.emit('message', frame.data, false)
        return
      case 'ping':
        if (this.readyState === WebSocket.OPEN) this.#transmit({ kind: 'pong' })
        this.emit('ping', Buffer.alloc(0))
        return
      case 'pong':
        this.emit('pong', Buffer.alloc(0))
        return
      case 'close':
        this.#received = { code: frame.code, reason: frame.reason }
        this.readyState = WebSocket.CLOSING
        this.#sendClose(frame.code, '')
        this.#sayEnd()
        this.#closed()
        return
      case 'end':
        this.#sayEnd()
        this.#closed()
    }
  }

  #sendClose(code: number, reason: string): void {
    if (this.#hasSentClose) return
    this.#hasSentClose = true
    this.#transmit({ kind: 'close', code, reason })
  }

  /** The kernel tells the other side that nothing more comes. */
  #sayEnd(): void {
    this.#transmit({ kind: 'end' })
  }

  #closed(): void {
    if (this.readyState === WebSocket.CLOSED) return
    this.readyState = WebSocket.CLOSED
    this.#thread.process.onEnd.delete(this.#onEnd)
    const { code, reason } = this.#received
    this.emit('close', code, Buffer.from(reason))
  }
}
