import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { reset } from '../support/reset.ts'

/** What becomes of the bytes that pass. */
export type ProxyMode =
  | 'pass'
  /** Keeps every connection and takes new ones, but holds back what both sides send until the mode changes. */
  | 'freeze'
  /** Holds back what the client sends only: whatever it asks from now on is on its way. */
  | 'mute'
  /** Holds back what the server sends only: a watch that is dead without knowing it. */
  | 'half-open'
  /** Nobody listens, and what was connected is reset. */
  | 'refuse'
  /** Passes everything later by so many milliseconds, in order. */
  | { readonly delayMs: number }

export interface ProxyTarget {
  readonly host: string
  readonly port: number
}

/** How long after the bytes before it an end arrives that was held back with them, in milliseconds. */
const lostEndMs = 1000

interface Held {
  readonly deliver: () => void
  /** `undefined` for an end that is held back: it is due a while after what is let go before it. */
  dueMs: number | undefined
}

/** One direction of a connection. */
class Direction {
  readonly #held: Held[] = []
  #timer: NodeJS.Timeout | undefined

  /** @param openMs after how many milliseconds something that arrives now may pass; `undefined` while nothing may */
  push(deliver: () => void, openMs: number | undefined): void {
    this.#held.push({ deliver, dueMs: performance.now() + (openMs ?? 0) })
    this.flush(openMs !== undefined)
  }

  end(deliver: () => void, openMs: number | undefined): void {
    this.#held.push({ deliver, dueMs: openMs === undefined ? undefined : performance.now() + openMs })
    this.flush(openMs !== undefined)
  }

  flush(isOpen: boolean): void {
    clearTimeout(this.#timer)
    if (!isOpen) return
    for (let [next] = this.#held; next !== undefined; [next] = this.#held) {
      next.dueMs ??= performance.now() + lostEndMs
      const waitMs = next.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flush(true), waitMs)
        return
      }
      this.#held.shift()
      next.deliver()
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#held.length = 0
  }
}

interface Connection {
  readonly client: Socket
  readonly server: Socket
  readonly up: Direction
  readonly down: Direction
  /** Whether what the server says is lost. */
  stranded: boolean
}

/**
 * A TCP proxy that breaks connections as networks do. TLS passes untouched. What is held back is kept by the proxy and
 * not by the sender: it arrives when it is let go, even if its sender has ended meanwhile.
 *
 * An end or a reset that is held back arrives a second after the bytes before it, as if its packet had been lost once:
 * a server that sees both together gives up a request that it would have carried out.
 */
export class Proxy {
  readonly host: string
  readonly port: number
  #target: ProxyTarget
  readonly #connections = new Set<Connection>()
  #server: Server
  #mode: ProxyMode = 'pass'
  #accepted = 0

  private constructor(server: Server, target: ProxyTarget) {
    const { address, port } = server.address() as AddressInfo
    this.host = address
    this.port = port
    this.#server = server
    this.#target = target
    server.on('connection', this.#accept)
  }

  /** @param port 0 takes a free one */
  static async listen(target: ProxyTarget, host = '127.0.0.1', port = 0): Promise<Proxy> {
    return new Proxy(await listening(host, port), target)
  }

  /** Connections since the start. */
  get accepted(): number {
    return this.#accepted
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#connections.size
  }

  /** Changes what becomes of bytes, those that are held back included. */
  async set(mode: ProxyMode): Promise<void> {
    const before = this.#mode
    this.#mode = mode
    if (mode === 'refuse') {
      await new Promise((resolve) => {
        this.#server.close(resolve)
        this.cut()
      })
      return
    }
    if (before === 'refuse') {
      this.#server = await listening(this.host, this.port)
      this.#server.on('connection', this.#accept)
    }
    for (const { up, down, stranded } of this.#connections) {
      up.flush(this.#openUpMs !== undefined)
      down.flush(this.#openDownMs !== undefined && !stranded)
    }
  }

  /** Leads new connections somewhere else. */
  retarget(target: ProxyTarget): void {
    this.#target = target
  }

  /** Loses, for good, what the server says on the connections that are open now. Nobody is told. */
  strand(): void {
    for (const connection of this.#connections) connection.stranded = true
  }

  /** Resets every connection. New ones are taken as the mode says. */
  cut(): void {
    for (const { client, server, up, down } of this.#connections) {
      up.stop()
      down.stop()
      reset(client)
      reset(server)
    }
  }

  async close(): Promise<void> {
    if (this.#mode !== 'refuse') await this.set('refuse')
  }

  get #openUpMs(): number | undefined {
    if (this.#mode === 'freeze' || this.#mode === 'mute') return undefined
    return typeof this.#mode === 'object' ? this.#mode.delayMs : 0
  }

  get #openDownMs(): number | undefined {
    if (this.#mode === 'mute') return 0
    return this.#mode === 'half-open' ? undefined : this.#openUpMs
  }

  readonly #accept = (client: Socket): void => {
    this.#accepted += 1
    const server = connect({ ...this.#target, allowHalfOpen: true })
    const connection: Connection = { client, server, up: new Direction(), down: new Direction(), stranded: false }
    this.#connections.add(connection)
    this.#forward(client, server, connection.up, () => this.#openUpMs)
    this.#forward(server, client, connection.down, () => (connection.stranded ? undefined : this.#openDownMs))
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('close', () => {
        if (client.closed && server.closed) this.#connections.delete(connection)
      })
    }
  }

  #forward(from: Socket, to: Socket, direction: Direction, openMs: () => number | undefined): void {
    from.on('data', (bytes) => direction.push(() => to.write(bytes), openMs()))
    from.on('end', () => direction.end(() => to.end(), openMs()))
    // After the bytes that came before it, which is what makes a write of somebody who was killed arrive.
    from.on('error', () => direction.end(() => reset(to), openMs()))
  }
}

function listening(host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}
