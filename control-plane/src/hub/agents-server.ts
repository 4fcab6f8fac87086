import { constants } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { connectPath, largestMessageBytes, probePath, subprotocol } from '@regent/contract/messages.ts'
import { listen } from '@regent/runtime/listen.ts'
import { type WebSocket, WebSocketServer } from 'ws'
import type { TlsSettings } from '../http/tls-files.ts'
import { flushTogether } from './flush-together.ts'
import { RefusedUpgrades } from './refused-upgrades.ts'

/** Nobody who means well needs longer to send the few headers of a handshake, in milliseconds. */
const handshakeMilliseconds = 5_000
const mostHeaderBytes = 16 * 1024
/** Handshakes whose credentials are being checked at once; more are told to come back. */
const mostHandshakes = 256
/** After how long a client that was told to come back may do so, in seconds. */
const retryAfterSeconds = 1
/** How long requests that are under way when the port closes may take to be answered, in milliseconds. */
const closeMilliseconds = 2_000

/** An answer instead of a connection. */
export interface Refusal {
  readonly status: 401 | 403 | 429 | 503
  readonly message: string
  /** After how long it is worth coming again, in seconds. @default for 503, a second */
  readonly retryAfterSeconds?: number
}

export interface AgentsServerOptions<Identity> {
  /** Address to listen on; `::` is every address of both families. */
  readonly address: string
  /** Port; 0 takes any free one. */
  readonly port: number
  /**
   * Certificate and key in PEM; absent: plain HTTP. With authorities, clients are asked for a certificate. One that is
   * wrong, or none, ends no connection: `authenticate` must look whether TLS has verified it.
   */
  readonly tls?: TlsSettings
  /** Most connections at once. */
  readonly mostConnections: number
  /** Who is calling, or why it may not. Must settle in bounded time. */
  readonly authenticate: (request: IncomingMessage) => Promise<{ readonly identity: Identity } | Refusal>
  /** An agent is connected. Whoever is called has not read anything of it yet. */
  readonly onAgent: (socket: WebSocket, identity: Identity) => void
}

/**
 * The port that agents connect to: one path for their WebSocket, one for standbys that ask whether they could, and
 * nothing else. Whoever cannot prove who it is gets an answer of HTTP, before any WebSocket.
 */
export class AgentsServer<Identity> {
  readonly #options: AgentsServerOptions<Identity>
  readonly #server: Server | TlsServer
  readonly #sockets: WebSocketServer
  readonly #refused = new RefusedUpgrades()
  #handshakes = 0
  #isOpen = true

  constructor(options: AgentsServerOptions<Identity>) {
    this.#options = options
    const settings = {
      headersTimeout: handshakeMilliseconds,
      requestTimeout: handshakeMilliseconds,
      keepAliveTimeout: handshakeMilliseconds,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: mostHeaderBytes,
    }
    this.#server =
      options.tls === undefined ? createServer(settings) : createTlsServer({ ...settings, ...ofTls(options.tls) })
    this.#server.maxConnections = options.mostConnections
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: largestMessageBytes,
      // What compresses well costs memory per connection, and messages are small.
      perMessageDeflate: false,
      handleProtocols: () => subprotocol,
    })
    this.#server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response),
    )
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#upgrade(request, socket, head)
    })
  }

  /** Opens the port and returns its number. @throws when it cannot be opened */
  listen(): Promise<number> {
    return listen(this.#server, this.#options.address, this.#options.port)
  }

  /** Takes another certificate, and other authorities, for connections from now on. */
  useCertificate(tls: TlsSettings): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(withoutTickets(tls))
  }

  /**
   * Takes no connection any more, and resolves when all are over. Agents that are connected stay: their owners end
   * them. Whoever else keeps a connection open is cut off.
   */
  async close(): Promise<void> {
    this.#isOpen = false
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#refused.destroy()
    // A server that closes watches no time limits any more: a request that never ends would be waited for.
    const late = setTimeout(() => this.#server.closeAllConnections(), closeMilliseconds)
    await closed
    clearTimeout(late)
  }

  /** A standby asks whether it could connect: it could where this answers 204. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const judged = await this.#judge(request, probePath)
    const answer: Answer = 'identity' in judged ? { status: 204 } : judged
    response.writeHead(answer.status, headersOf(answer))
    response.end(bodyOf(answer))
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const judged = await this.#judge(request, connectPath)
    if (!('identity' in judged)) {
      this.#refused.answer(socket, responseOf(judged))
      return
    }
    flushTogether(socket)
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#options.onAgent(webSocket, judged.identity)
    })
  }

  async #judge(request: IncomingMessage, path: string): Promise<{ readonly identity: Identity } | Answer> {
    const asked = URL.parse(request.url ?? '', 'http://agents')?.pathname
    if (asked !== path) {
      return asked === connectPath
        ? { status: 426, message: `connect with a WebSocket of the sub-protocol ${subprotocol}` }
        : { status: 404, message: `there are ${connectPath}, a WebSocket, and ${probePath}` }
    }
    if (request.method !== 'GET') return { status: 405, message: 'this is asked with GET' }
    if (path === connectPath && !protocolsOf(request).includes(subprotocol)) {
      return { status: 400, message: `offer the sub-protocol ${subprotocol}` }
    }
    if (!this.#isOpen) return { status: 503, message: 'this pod stops; another one answers' }
    if (this.#handshakes >= mostHandshakes) return { status: 503, message: 'too many connect at once' }
    this.#handshakes += 1
    try {
      return await this.#options.authenticate(request)
    } finally {
      this.#handshakes -= 1
    }
  }
}

function ofTls(tls: TlsSettings) {
  return {
    ...withoutTickets(tls),
    handshakeTimeout: handshakeMilliseconds,
    // Agents of the same cluster have a token instead of a certificate.
    ...(tls.ca !== undefined && { requestCert: true, rejectUnauthorized: false }),
  }
}

/** A session that is resumed is not verified again: every connection shows its certificate anew. */
function withoutTickets(tls: TlsSettings) {
  return { ...tls, secureOptions: constants.SSL_OP_NO_TICKET }
}

interface Answer extends Pick<Refusal, 'retryAfterSeconds'> {
  readonly status: Refusal['status'] | 204 | 400 | 404 | 405 | 426
  readonly message?: string
}

function protocolsOf({ headers }: IncomingMessage): readonly string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
}

function bodyOf({ message }: Answer): string {
  return message === undefined ? '' : `${message}\n`
}

function headersOf({ status, ...answer }: Answer): Readonly<Record<string, string>> {
  const retryAfter = answer.retryAfterSeconds ?? (status === 503 ? retryAfterSeconds : undefined)
  return {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status !== 204 && { 'content-type': 'text/plain; charset=utf-8' }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(status === 405 && { allow: 'GET' }),
    ...(status === 426 && { upgrade: 'websocket' }),
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  }
}

/** An answer to a handshake as HTTP, after which the connection ends. */
function responseOf(answer: Answer): string {
  const { status } = answer
  const body = bodyOf(answer)
  const headers = { ...headersOf(answer), connection: 'close', 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
