import type { Standby } from '@regent/contract/takeover.ts'
import { EventEmitter } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Backoff, listenBackoff } from '../backoff.ts'
import { systemClock } from '../clock.ts'
import { LineSplitter } from '../lines.ts'
import { answerLine, maxLineBytes, parseHello, type Hello, type Incarnation } from './protocol.ts'

export interface PeerListenerOptions {
  /** `::` is every address of both families, or of IPv4 where the machine has no IPv6. */
  readonly address: string
  /** 0 is any that is free. */
  readonly port: number
  /** Who answers here. */
  readonly identity: Incarnation
  /** Connections at once, those included that have not said hello. @default 32 */
  readonly maxConnections?: number
  /** How long a connection may take to say hello, in milliseconds. @default 1000 */
  readonly handshakeMs?: number
}

export interface PeerListenerEvents {
  listening: [{ readonly address: string; readonly port: number }]
  /** It cannot listen, and tries again; until then no peer sees this process die, and the Lease decides alone. */
  error: [Error]
  /** Other standbys are connected, or others of them are ready. */
  standbys: [readonly Standby[]]
}

/** From this long without a byte the kernel asks whether the other side is there, in milliseconds. */
export const keepAliveMs = 5000
/** As many standbys as the Lease tells of. */
const maxStandbys = 16

/**
 * Where this process proves to its peers that it lives. It listens from the start of every replica, and while the
 * process lives it closes no connection whose peer behaves: so that the end of one means that the process ended.
 *
 * Not guaranteed: who the peers are. Whoever reaches the port can claim to be a standby, and take the place of the
 * one that it names; the network policy says who reaches it, and nothing but the choice of a successor rests on it.
 */
export class PeerListener extends EventEmitter<PeerListenerEvents> {
  readonly #options: PeerListenerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Those that said hello, by the UID of their pod. */
  readonly #peers = new Map<string, { readonly socket: Socket; readonly hello: Hello }>()
  readonly #backoff = new Backoff(listenBackoff)
  #again: NodeJS.Timeout | undefined
  #told = '[]'

  constructor(options: PeerListenerOptions) {
    super()
    this.#options = options
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs })
    // The newest lose: a storm of connections must not drive out the standbys that are connected.
    this.#server.maxConnections = options.maxConnections ?? 32
    this.#server.on('connection', (socket) => this.#accept(socket))
    this.#server.on('listening', () => {
      // A server on a port has an address of this form.
      const { address, port } = this.#server.address() as AddressInfo
      this.emit('listening', { address, port })
    })
    this.#server.on('error', (error) => {
      this.emit('error', error)
      // What failed may have been to accept one connection.
      if (!this.#server.listening) this.#listenAgain()
    })
  }

  /** Begins to listen: `listening` follows, and before it an `error` for each attempt that failed. */
  listen(): void {
    const { address, port } = this.#options
    // Without an address Node takes `::`, and `0.0.0.0` on machines without IPv6.
    this.#server.listen(address === '::' ? { port } : { port, host: address })
  }

  /** The standbys that are connected, by the names of their pods; at most 16. */
  standbys(): readonly Standby[] {
    return [...this.#peers.values()]
      .map(({ hello: { pod, ready, reaches } }) => ({ pod, ready, ...(reaches !== undefined && { reaches }) }))
      .sort((one, other) => (one.pod < other.pod ? -1 : 1))
      .slice(0, maxStandbys)
  }

  /** Ends every connection and listens no more: to the peers that is what death looks like. */
  close(): void {
    clearTimeout(this.#again)
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #listenAgain(): void {
    this.#again = setTimeout(() => this.listen(), this.#backoff.nextDelayMs(systemClock.now().monotonicMs))
  }

  #accept(socket: Socket): void {
    const { handshakeMs = 1000 } = this.#options
    this.#sockets.add(socket)
    const limit = setTimeout(() => socket.destroy(), handshakeMs)
    const lines = new LineSplitter(maxLineBytes)
    let podUid: string | undefined
    socket.on('data', (chunk) => {
      for (const hello of hellosOf(lines, chunk)) {
        const isMine = hello?.agent === this.#options.identity.agent
        // Whoever talks of somebody else on the same connection is confused.
        if (hello === undefined || !isMine || (podUid !== undefined && podUid !== hello.podUid)) {
          socket.destroy()
          return
        }
        const isFirst = podUid === undefined
        podUid = hello.podUid
        clearTimeout(limit)
        this.#admit(socket, hello, isFirst)
      }
    })
    // The end of a connection says it all; how it broke does not matter here.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(limit)
      this.#sockets.delete(socket)
      if (podUid !== undefined && this.#peers.get(podUid)?.socket === socket) {
        this.#peers.delete(podUid)
        this.#tell()
      }
    })
  }

  #admit(socket: Socket, hello: Hello, isFirst: boolean): void {
    const before = this.#peers.get(hello.podUid)
    // A connection that was replaced may still have had something to say.
    if (before !== undefined && before.socket !== socket && !isFirst) return
    this.#peers.set(hello.podUid, { socket, hello })
    if (isFirst) {
      before?.socket.destroy()
      socket.write(answerLine(this.#options.identity))
    }
    this.#tell()
  }

  #tell(): void {
    const standbys = this.standbys()
    const text = JSON.stringify(standbys)
    if (text === this.#told) return
    this.#told = text
    this.emit('standbys', standbys)
  }
}

/** The hellos in a chunk; `undefined` in place of what is none. */
function hellosOf(lines: LineSplitter, chunk: Buffer): readonly (Hello | undefined)[] {
  try {
    return lines.push(chunk).map(parseHello)
  } catch {
    return [undefined]
  }
}
