import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { ProblemType } from '@regent/contract/api.ts'
import { errorCode } from '@regent/runtime/error-code.ts'
import { Problem, problemDetailsOf, problemMediaType } from './problem.ts'
import { requestIdOf } from './request-id.ts'
import type { TlsSettings } from './tls-files.ts'

/** Limits of what happens before a request is one. Seconds, bytes and numbers. */
export interface ListenerLimits {
  /** @default 10 */
  readonly headersSeconds?: number
  /** Headers and body. @default 30 */
  readonly requestSeconds?: number
  /** Silence on a connection: without a request, or while an answer is not read. @default 75, more than proxies wait */
  readonly idleSeconds?: number
  /** @default 16 384 */
  readonly headerBytes?: number
  /** @default 2000 */
  readonly connections?: number
}

const problemsOfParser: Readonly<Record<string, readonly [ProblemType, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'expected shorter headers and a shorter path; send less of them'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'the request did not arrive in time; send it faster'],
}

/** A server of HTTP, or of HTTPS, whose limits hold before any request reaches the API. */
export function createListener(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  { tls, limits = {} }: { readonly tls?: TlsSettings | undefined; readonly limits?: ListenerLimits | undefined },
): Server {
  const {
    headersSeconds = 10,
    requestSeconds = 30,
    idleSeconds = 75,
    headerBytes = 16_384,
    connections = 2000,
  } = limits
  const options: ServerOptions = {
    headersTimeout: headersSeconds * 1000,
    requestTimeout: requestSeconds * 1000,
    connectionsCheckingInterval: Math.min(1000, headersSeconds * 500),
    keepAliveTimeout: idleSeconds * 1000,
    maxHeaderSize: headerBytes,
    // The API itself says what is wrong with a request without it.
    requireHostHeader: false,
  }
  const server: Server =
    tls === undefined ? createServer(options, handler) : createTlsServer({ ...options, ...tls }, handler)
  server.maxConnections = connections
  server.timeout = idleSeconds * 1000
  // Nobody waits for a leave to send: what else is expected of us is not ours to promise.
  server.on('checkExpectation', handler)
  return server
}

/**
 * Answers what is no HTTP by a problem, and closes the connection.
 *
 * @returns the status that was answered; `undefined` where nobody listens any more
 */
export function refuseConnection(error: Error, socket: Duplex): number | undefined {
  if (errorCode(error) === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return undefined
  }
  const [type, detail] = problemsOfParser[errorCode(error) ?? ''] ?? [
    'invalid-request' as const,
    'what came is no HTTP/1.1 request; send one',
  ]
  const problem = new Problem(type, detail)
  const requestId = requestIdOf(undefined)
  const body = JSON.stringify(problemDetailsOf(problem, requestId))
  const head = [
    `HTTP/1.1 ${problem.status} ${type}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return problem.status
}
