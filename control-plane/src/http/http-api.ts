import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { apiPrefix, longestBodyBytes } from '@regent/contract/api.ts'
import { exitSeconds } from '@regent/contract/election.ts'
import { bindTo, portOf } from '@regent/runtime/listen.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Caller } from '../identity/caller.ts'
import { ClientAddresses } from './client-address.ts'
import type { EventStreams } from './event-streams.ts'
import { eventsOperation } from './events-operation.ts'
import { exportOperation } from './export-operation.ts'
import { type Gate, mustBeAllowed } from './gate.ts'
import { countAnswer, type HttpMetrics } from './http-metrics.ts'
import { createListener, type ListenerLimits, refuseConnection } from './listener.ts'
import { openApiDocument } from './open-api.ts'
import type { Operation } from './operation.ts'
import { parseRequest } from './parse-request.ts'
import { Problem, problemDetailsOf, problemMediaType } from './problem.ts'
import { problemOf } from './problem-of.ts'
import { RequestRecords } from './request-records.ts'
import { requestIdOf } from './request-id.ts'
import { matchersOf } from './route-matchers.ts'
import type { StateExports } from './state-exports.ts'
import type { TlsFiles } from './tls-files.ts'

/** Where the API is described, without credentials. */
export const documentPath = '/openapi.json'

/** How long a handler may take until its caller is told to come again, in milliseconds. */
const handlerMs = 20_000
/**
 * How long requests that are under way may take when the API closes, in milliseconds. After a drain that took all of its
 * budget, a stop is given up a second before the grace period ends; two more are for everything else that is closed.
 */
const closeMs = (exitSeconds - 3) * 1000

export interface HttpApiOptions {
  readonly operations: readonly Operation[]
  readonly events: EventStreams
  readonly exports: StateExports
  readonly gate: Gate
  readonly log: Log
  readonly metrics: HttpMetrics
  /** Under which URL callers reach this, for the document. */
  readonly publicUrl: string
  /** From which address a request comes. @default the other end of its connection */
  readonly addressOf?: ClientAddresses['of'] | undefined
  /** @default plain HTTP */
  readonly tls?: TlsFiles | undefined
  readonly limits?: ListenerLimits | undefined
}

/**
 * The HTTP API for people and programs. Every answer that is an error is a problem of RFC 9457, those to what is no HTTP
 * included; every change and every refusal is in the log as `audit`.
 */
export class HttpApi {
  readonly #app: FastifyInstance
  readonly #server: Server
  readonly #options: HttpApiOptions
  readonly #endTls: () => void
  #isClosing = false

  private constructor(options: HttpApiOptions, app: FastifyInstance, server: Server, endTls: () => void) {
    this.#options = options
    this.#app = app
    this.#server = server
    this.#endTls = endTls
    // A connection that stays open after its answer would be waited for.
    server.prependListener('request', (_, response: ServerResponse) => {
      response.once('finish', () => this.#isClosing && setImmediate(() => server.closeIdleConnections()))
    })
  }

  /** Prepares everything but the port. @throws Error where the certificate cannot be used */
  static async create(options: HttpApiOptions): Promise<HttpApi> {
    const { tls, limits, log, metrics } = options
    const settings = await tls?.read()
    let server: Server | undefined
    const app = fastify({
      bodyLimit: longestBodyBytes,
      return503OnClosing: false,
      routerOptions: { maxParamLength: 256 },
      genReqId: ({ headers }) => requestIdOf(headers['x-request-id']),
      serverFactory: (handler) => (server = createListener(handler, { tls: settings, limits })),
      clientErrorHandler: (error, socket) => {
        const status = refuseConnection(error, socket)
        if (status !== undefined) countAnswer(metrics, { method: 'none', route: undefined, status })
      },
      frameworkErrors: (error, request, reply) => {
        reply.raw.once('close', () =>
          countAnswer(metrics, { method: request.method, route: undefined, status: reply.statusCode }),
        )
        sendProblem(problemOf(error), request, reply)
      },
    })
    if (server === undefined) throw new Error('the framework asked for no server')
    const listening: Server = server
    listening.on('connection', (socket) => {
      metrics.activeConnections.inc({ kind: 'people' })
      socket.once('close', () => metrics.activeConnections.dec({ kind: 'people' }))
    })
    addRoutes(app, options, settings !== undefined)
    await app.ready()
    const endTls = isTls(listening) && tls && settings ? tls.keepFresh(listening, settings, log) : () => undefined
    return new HttpApi(options, app, listening, endTls)
  }

  /**
   * Opens the port and returns its number.
   *
   * @param address `::` is every address of both families, or of IPv4 alone where IPv6 is off
   * @throws when the port cannot be opened
   */
  async listen({ address, port }: { readonly address: string; readonly port: number }): Promise<number> {
    await bindTo(address, (host) => this.#app.listen({ host, port, ipv6Only: false }))
    return portOf(this.#server) ?? port
  }

  /** Takes no more requests, ends event streams and exports, and waits for the requests that are under way, for 2 s at most. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#endTls()
    this.#options.events.close()
    this.#options.exports.close()
    const limit = setTimeout(() => this.#server.closeAllConnections(), closeMs)
    await this.#app.close().finally(() => clearTimeout(limit))
  }
}

function isTls(server: Server): server is Server & Parameters<TlsFiles['keepFresh']>[0] {
  return 'setSecureContext' in server
}

function addRoutes(app: FastifyInstance, options: HttpApiOptions, isOverTls: boolean): void {
  const { operations, events, exports, gate, log, metrics } = options
  const { addressOf = new ClientAddresses().of } = options
  const records = new RequestRecords(log, addressOf)
  const streams = [
    {
      operation: eventsOperation,
      isAudited: false,
      prepare: (caller: Caller, headers: unknown) =>
        events.prepare(caller, eventsOperation.headers.parse(headers)['last-event-id']),
    },
    { operation: exportOperation, isAudited: true, prepare: (caller: Caller) => exports.prepare(caller) },
  ]
  const all = [...operations, ...streams.map(({ operation }) => ({ ...operation, isStream: true }))]
  const document = JSON.stringify(openApiDocument(all, options.publicUrl))
  const routes = matchersOf([...all, { method: 'GET', route: documentPath, isAbsolute: true }])

  const nothingAt = (request: FastifyRequest): Problem => {
    const allowed = routes.methodsAt(pathOf(request)).join(', ')
    if (allowed === '') {
      return new Problem('not-found', 'there is nothing at this path; /openapi.json names what there is')
    }
    return new Problem('method-not-allowed', `this resource knows ${allowed}`, { headers: { allow: allowed } })
  }

  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', (request, reply, done) => {
    records.begin(request)
    reply.headers(commonHeaders(request.id, isOverTls))
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
      const problems = [{ path: 'header.host', message: 'expected the name of this host, got nothing' }]
      throw new Problem('invalid-request', 'HTTP/1.1 needs a Host header', { problems })
    }
    // Before the framework looks at a body that belongs to nothing.
    if (request.is404) throw nothingAt(request)
    done()
  })
  app.addHook('preHandler', (request, _, done) => {
    records.received(request)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { seconds } = records.end(request, reply.statusCode)
    const route = routeOf(request)
    // How long somebody follows, or reads, is no time of an answer.
    const isStream = reply.statusCode === 200 && streams.some(({ operation }) => route === fastifyPath(operation.route))
    countAnswer(metrics, {
      method: request.method,
      route,
      status: reply.statusCode,
      ...(isStream ? {} : { seconds }),
    })
    done()
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    records.refused(request, problem)
    if (problem.type === 'internal') log.error('request-failed', { request: request.id, error: asError(error) })
    sendProblem(problem, request, reply)
  })
  app.get(documentPath, (_, reply) => reply.type('application/json; charset=utf-8').send(document))
  const admit = async (request: FastifyRequest, { role }: Pick<Operation, 'role'>) => {
    const caller = await gate.identify(request.headers.authorization, addressOf(request.raw))
    records.identified(request, caller)
    mustBeAllowed(caller, role)
    return caller
  }
  for (const operation of operations) {
    app.route({
      method: operation.method,
      url: fastifyPath(operation.route),
      handlerTimeout: handlerMs,
      bodyLimit: operation.longestBodyBytes ?? longestBodyBytes,
      // Before the body is read: who may not call cannot make us read.
      onRequest: async (request) => {
        records.asks(request, operation)
        await admit(request, operation)
      },
      handler: async (request, reply) => {
        const parts = parseRequest(operation, {
          path: request.params,
          query: request.query,
          headers: request.headers,
          body: request.body,
        })
        const caller = records.callerOf(request)
        const { answer, location, subject } = await operation.perform({ ...parts, caller, requestId: request.id })
        records.done(request, subject)
        if (location !== undefined) reply.header('location', `${apiPrefix}${location}`)
        reply.code(operation.status)
        if (answer === undefined) return reply.send()
        return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer))
      },
    })
  }
  for (const { operation, prepare, isAudited } of streams) {
    app.route({
      method: operation.method,
      url: fastifyPath(operation.route),
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        records.asks(request, operation)
        const caller = await admit(request, operation)
        const { headers } = parseRequest(operation, {
          path: request.params,
          query: request.query,
          headers: request.headers,
          body: undefined,
        })
        const stream = await prepare(caller, headers)
        if (isAudited) records.answers(request, operation.status)
        reply.hijack()
        stream.begin(reply.raw, commonHeaders(request.id, isOverTls))
      },
    })
  }
}

function commonHeaders(requestId: string, isOverTls: boolean): Readonly<Record<string, string>> {
  return {
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    ...(isOverTls && { 'strict-transport-security': 'max-age=31536000' }),
  }
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  // What is still on its way is not read: the caller would go on sending it.
  if (!isRead(request.raw)) reply.header('connection', 'close')
  void reply
    .code(problem.status)
    .headers({ 'x-request-id': request.id, ...problem.headers })
    .type(problemMediaType)
    .send(JSON.stringify(problemDetailsOf(problem, request.id)))
}

function isRead(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return request.readableEnded || ((length === undefined || length === '0') && encoding === undefined)
}

const fastifyPath = (route: string): string => `${apiPrefix}${route.replaceAll(/\{(\w+)\}/g, ':$1')}`
const pathOf = ({ url }: FastifyRequest): string => url.replace(/[?#].*$/s, '')
const routeOf = (request: FastifyRequest): string | undefined => (request.is404 ? undefined : request.routeOptions.url)
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
