import {
  closeCodes,
  type ControlPlaneMessage,
  largestMessageBytes,
  mostMissedPings,
  subprotocol,
} from '@regent/contract/messages.ts'
import { WebSocket } from 'ws'
import type { Credentials } from './access.ts'
import { AttemptFailed, type Ending } from './attempt-failed.ts'
import { decoded } from './decoded.ts'
import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'
import type { LinkTiming } from './timing.ts'
import { upgradeRefusal } from './upgrade-refusal.ts'

/** More than this waits to be sent only where the other side does not read: the connection is given up. */
export const mostBufferedBytes = 4 * 1024 * 1024
/** Beyond this, whoever has much to send waits until it is on its way. */
export const comfortablyBufferedBytes = 1024 * 1024

export interface ConnectionOptions {
  readonly url: URL
  readonly credentials: Credentials
  readonly timing: Pick<LinkTiming, 'connectMs' | 'pingMs' | 'closeMs'>
  /** Gives the attempt up. An established connection does not listen to it any more. */
  readonly signal: AbortSignal
}

/**
 * One WebSocket to the control plane: checks what comes in, bounds what waits in either direction, and ends when the
 * other side does not answer pings.
 *
 * Not guaranteed: that what was sent has arrived. Only an answer says so.
 */
export class Connection {
  /** Resolves when it has ended. */
  readonly ended: Promise<Ending>
  readonly #socket: WebSocket
  readonly #end = Promise.withResolvers<Ending>()
  readonly #ping: NodeJS.Timeout
  readonly #closeMs: number
  #closing: NodeJS.Timeout | undefined
  #listener: ((message: ControlPlaneMessage) => void) | undefined
  /** What came in while nobody wanted it: at most what the socket had read when it was paused. */
  #inbox: ControlPlaneMessage[] = []
  #isPaused = false
  #missedPings = 0
  #why: string | undefined
  #drained: (() => void)[] = []

  private constructor(socket: WebSocket, { pingMs, closeMs }: ConnectionOptions['timing']) {
    this.#socket = socket
    this.#closeMs = closeMs
    this.ended = this.#end.promise
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    for (const sign of ['ping', 'pong']) socket.on(sign, () => (this.#missedPings = 0))
    // `close` follows, and says it all.
    socket.on('error', (error: Error) => (this.#why ??= error.message))
    socket.on('close', (code: number, reason: Buffer) => this.#closed(code, reason.toString()))
    this.#ping = setInterval(() => this.#askForLife(), pingMs)
  }

  /**
   * Connects. The certificate and the sub-protocol of the other side are checked.
   *
   * @throws AttemptFailed when that does not succeed in time, or the signal is aborted
   */
  static open({ url, credentials, timing, signal }: ConnectionOptions): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>()
    const socket = new WebSocket(url, [subprotocol], {
      ...credentials,
      maxPayload: largestMessageBytes,
      perMessageDeflate: false,
      followRedirects: false,
    })
    const giveUp = AbortSignal.any([signal, AbortSignal.timeout(timing.connectMs)])
    const abort = (): void => {
      const why = signal.aborted ? 'it was given up' : `no answer within ${timing.connectMs / 1000} s`
      reject(new AttemptFailed({ why: `${url.origin}: ${why}` }))
      socket.terminate()
    }
    giveUp.addEventListener('abort', abort, { once: true })
    socket.once('open', () => {
      socket.off('error', fail)
      giveUp.removeEventListener('abort', abort)
      resolve(new Connection(socket, timing))
    })
    socket.once('unexpected-response', (request, response) => {
      void upgradeRefusal(url.origin, response).then((ending) => {
        reject(new AttemptFailed(ending))
        giveUp.removeEventListener('abort', abort)
        request.destroy()
      })
    })
    const fail = (error: Error): void => {
      giveUp.removeEventListener('abort', abort)
      reject(new AttemptFailed({ why: `${url.origin}: ${error.message}` }, { cause: error }))
    }
    socket.on('error', fail)
    if (signal.aborted) abort()
    return promise
  }

  /** Hands what comes in to this listener from now on, beginning with what came before. */
  listen(listener: (message: ControlPlaneMessage) => void): void {
    this.#listener = listener
    this.#deliver()
  }

  /** Reads nothing more until {@link resume}. Pings that stay unanswered meanwhile say nothing. */
  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#missedPings = 0
    this.#deliver()
    if (!this.#isPausedNow()) this.#socket.resume()
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** Sends one message. @returns whether it is on its way; false on a connection that ends */
  send(text: string): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false
    if (this.#socket.bufferedAmount + Buffer.byteLength(text) > mostBufferedBytes) {
      this.destroy(`more than ${mostBufferedBytes} bytes wait to be sent: the other side does not read`)
      return false
    }
    this.#socket.send(text, () => this.#sent())
    return true
  }

  /** Calls back once, when what waits to be sent has become comfortably little. */
  whenDrained(callback: () => void): void {
    this.#drained.push(callback)
  }

  /** Closes it in good order. It ends within the time for that, whatever the other side does. */
  close(code: number, reason: string): void {
    this.#why ??= `closed from here: ${reason}`
    clearInterval(this.#ping)
    // Reason texts are bounded by the protocol.
    this.#socket.close(code, reason.slice(0, 100))
    this.#closing ??= setTimeout(() => this.#socket.terminate(), this.#closeMs)
    // Somebody must read for the answer to be seen.
    this.#socket.resume()
  }

  /** Ends it at once; what was not sent yet is not sent any more. */
  destroy(why: string): void {
    this.#why ??= why
    this.#socket.terminate()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#missedPings = 0
    if (this.#socket.readyState !== WebSocket.OPEN) return
    const read = isBinary ? { problem: 'a binary frame, expected text' } : decoded(data)
    if ('problem' in read) {
      this.#why ??= `the control plane sent ${read.problem}`
      this.#listener = undefined
      this.#inbox = []
      this.close(closeCodes.unexpectedMessage, read.problem)
      return
    }
    // A type that this version does not know is of a newer one.
    if (read.message === undefined) return
    this.#inbox.push(read.message)
    this.#deliver()
  }

  #deliver(): void {
    while (!this.#isPaused && this.#listener !== undefined) {
      const message = this.#inbox.shift()
      if (message === undefined) return
      this.#listener(message)
    }
  }

  /** What is delivered may ask to pause again. */
  #isPausedNow(): boolean {
    return this.#isPaused
  }

  #askForLife(): void {
    if (this.#isPaused) this.#missedPings = 0
    if (this.#missedPings >= mostMissedPings) {
      this.destroy(`no answer to ${mostMissedPings} pings in a row`)
      return
    }
    this.#missedPings += 1
    this.#socket.ping()
  }

  #sent(): void {
    if (this.#drained.length === 0 || this.#socket.bufferedAmount > comfortablyBufferedBytes) return
    for (const callback of this.#drained.splice(0)) callback()
  }

  #closed(code: number, reason: string): void {
    clearInterval(this.#ping)
    clearTimeout(this.#closing)
    this.#listener = undefined
    this.#inbox = []
    this.#drained = []
    const said = reason === '' ? '' : `: ${foreignWords(reason)}`
    this.#end.resolve({ code, why: this.#why ?? `closed by the control plane with ${code}${said}` })
  }
}
