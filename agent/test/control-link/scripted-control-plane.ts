import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import {
  type AgentMessage,
  agentMessage,
  closeCodes,
  connectPath,
  type ControlPlaneMessage,
  largestMessageBytes,
  probePath,
  subprotocol,
} from '@regent/contract/messages.ts'
import { WebSocket, WebSocketServer } from 'ws'

type MessageOf<Type extends AgentMessage['type']> = AgentMessage & { readonly type: Type }
export type CommandMessage = ControlPlaneMessage & { readonly type: 'command' }

/** One connection of an agent, as the control plane sees it. It accepts only what the contract allows, in turn. */
export class Peer {
  readonly socket: WebSocket
  readonly messages: AgentMessage[] = []
  readonly closed: Promise<number>
  readonly #plane: ScriptedControlPlane
  readonly #waiting = new Set<() => void>()
  #isRegistered = false
  #isClosed = false

  constructor(socket: WebSocket, plane: ScriptedControlPlane) {
    this.socket = socket
    this.#plane = plane
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) =>
      socket.once('close', (code) => {
        this.#isClosed = true
        resolve(code)
        for (const look of this.#waiting) look()
      }),
    )
  }

  say(message: ControlPlaneMessage): void {
    if (message.type === 'registered') this.#isRegistered = true
    if (message.type === 'command') this.#plane.dispatched.add(message.commandId)
    this.socket.send(JSON.stringify(message))
  }

  /** Waits for the next message of a type that nobody has waited for before. */
  async next<Type extends AgentMessage['type']>(
    type: Type,
    is: (message: MessageOf<Type>) => boolean = () => true,
  ): Promise<MessageOf<Type>> {
    return this.#first(`'${type}'`, () => {
      const index = this.messages.findIndex((message) => message.type === type && is(message as MessageOf<Type>))
      return index < 0 ? undefined : (this.messages.splice(index, 1)[0] as MessageOf<Type>)
    })
  }

  async #first<T>(what: string, find: () => T | undefined): Promise<T> {
    const late = AbortSignal.timeout(this.#plane.patienceMs)
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (this.#isClosed || late.aborted) {
        const seen = this.messages.map(({ type }) => type).join(', ')
        throw new Error(`waited in vain for ${what}; ${this.#isClosed ? 'closed' : 'open'}, unread: ${seen}`)
      }
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.#waiting.delete(look)
          late.removeEventListener('abort', look)
          resolve()
        }
        this.#waiting.add(look)
        late.addEventListener('abort', look)
      })
    }
  }

  #receive(data: Buffer, isBinary: boolean): void {
    const problem = isBinary ? 'a binary frame' : this.#problemOf(data)
    if (problem !== undefined) {
      this.#plane.violations.push(problem)
      this.socket.close(closeCodes.unexpectedMessage, problem)
      return
    }
    for (const look of this.#waiting) look()
  }

  #problemOf(data: Buffer): string | undefined {
    if (data.length > largestMessageBytes) return `a message of ${data.length} bytes`
    const parsed = agentMessage.safeParse(JSON.parse(data.toString()))
    if (!parsed.success) return `no message of the contract: ${data.toString().slice(0, 200)}`
    const message = parsed.data
    const isFirst = !this.#isRegistered
    if (isFirst !== (message.type === 'register')) return `'${message.type}' out of turn`
    if ('commandId' in message && !this.#plane.dispatched.has(message.commandId)) {
      return `'${message.type}' of a command that was never dispatched`
    }
    this.messages.push(message)
    if (message.type === 'register') this.#plane.onRegister(this, message)
    if (message.type === 'done' || message.type === 'failed') this.#plane.onResult(this, message)
    return undefined
  }
}

/** A control plane that does what a test tells it, over real sockets, and accepts only what the contract allows. */
export class ScriptedControlPlane {
  /** What an agent did that it may not do. */
  readonly violations: string[] = []
  readonly peers: Peer[] = []
  readonly dispatched = new Set<string>()
  /** Value of `Authorization` that is accepted. */
  authorization = 'Bearer token-1'
  /** Status with which upgrades are refused; `undefined` accepts them. */
  refusal: { readonly status: number; readonly retryAfter?: number; readonly words?: string } | undefined
  /** Status of probes with the right credential. */
  probeStatus = 204
  /** Called instead of answering a probe. */
  onProbe: (() => void) | undefined
  heartbeatIntervalSeconds = 30
  /** Longest that a test waits for what an agent should do, in milliseconds. */
  patienceMs = 10_000
  /** Attempts to connect, those refused included. */
  attempts = 0
  probes = 0
  onRegister: (peer: Peer, message: MessageOf<'register'>) => void = (peer) => {
    peer.say({
      type: 'registered',
      connectionId: `c-${this.peers.length}`,
      heartbeatIntervalSeconds: this.heartbeatIntervalSeconds,
    })
  }
  onResult: (peer: Peer, message: MessageOf<'done' | 'failed'>) => void = (peer, { commandId }) =>
    peer.say({ type: 'stored', commandId })
  readonly #server: Server
  readonly #scheme: string
  readonly #upgrades = new WebSocketServer({
    noServer: true,
    maxPayload: largestMessageBytes,
    handleProtocols: (protocols) => (protocols.has(subprotocol) ? subprotocol : false),
  })
  readonly #sockets = new Set<Socket>()
  readonly #arrived = new Set<() => void>()
  #taken = 0
  #port = 0

  private constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#server = tls === undefined ? createServer() : createTlsServer(tls)
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server.on('request', (request, response) => this.#answer(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('upgrade', (request, socket: Socket, head) => {
      this.attempts += 1
      const refusal =
        request.url !== connectPath
          ? { status: 404 }
          : request.headers.authorization !== this.authorization
            ? { status: 401 }
            : this.refusal
      if (refusal !== undefined) {
        const words = 'words' in refusal ? refusal.words : ''
        const retryAfter = 'retryAfter' in refusal ? `Retry-After: ${refusal.retryAfter}\r\n` : ''
        socket.end(
          `HTTP/1.1 ${refusal.status} No\r\n${retryAfter}Connection: close\r\nContent-Length: ${Buffer.byteLength(words)}\r\n\r\n${words}`,
        )
        return
      }
      this.#upgrades.handleUpgrade(request, socket, head, (upgraded) => {
        this.peers.push(new Peer(upgraded, this))
        for (const look of this.#arrived) look()
      })
    })
  }

  static async start(
    options: { tls?: { key: string; cert: string }; port?: number } = {},
  ): Promise<ScriptedControlPlane> {
    const plane = new ScriptedControlPlane(options.tls)
    await plane.listen(options.port ?? 0)
    return plane
  }

  async listen(port = this.#port): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    // A server on a port has an address of this form.
    this.#port = (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`
  }

  /** Waits for the next connection that nobody has waited for before. */
  async nextPeer(): Promise<Peer> {
    const late = AbortSignal.timeout(this.patienceMs)
    for (;;) {
      const peer = this.peers[this.#taken]
      if (peer !== undefined) {
        this.#taken += 1
        return peer
      }
      if (late.aborted) throw new Error('waited in vain for a connection')
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.#arrived.delete(look)
          resolve()
        }
        this.#arrived.add(look)
        late.addEventListener('abort', look, { once: true })
      })
    }
  }

  /** Waits for the next connection, and for its registration. */
  async nextRegistered(): Promise<Peer> {
    const peer = await this.nextPeer()
    await peer.next('register')
    return peer
  }

  /** Stops to listen and ends every connection, without a word. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.probes += 1
    if (this.onProbe !== undefined) return this.onProbe()
    const isProbe = request.method === 'GET' && request.url === probePath
    const isKnown = request.headers.authorization === this.authorization
    response.writeHead(!isProbe ? 404 : isKnown ? this.probeStatus : 401).end()
  }
}
