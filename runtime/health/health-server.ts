import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { listen } from '../listen.ts'
import type { Check } from './check.ts'

/** Nobody who means well needs longer than this to send a request of a few lines, in milliseconds. */
const requestMilliseconds = 5_000
/** Connections at once: the kubelet's, Prometheus', a few people's. More are closed as they come. */
const mostConnections = 64
const mostHeaderBytes = 8 * 1024

export interface HealthServerOptions {
  /** Address to listen on; `::` is every address of both families, or of IPv4 alone where IPv6 is off. */
  readonly address: string
  /** Port; 0 takes any free one. */
  readonly port: number
  /** Whether only a restart can help, looked at for each request. */
  readonly liveness: () => readonly Check[]
  /** Whether the program can serve, looked at for each request. */
  readonly readiness: () => readonly Check[]
  readonly metrics: { readonly contentType: string; readonly text: () => Promise<string> }
  /** Told what went wrong with a scrape, which is answered with 500. */
  readonly onError: (error: unknown) => void
}

interface Answer {
  readonly status: number
  readonly contentType?: string
  readonly body: string
}

type Page = (verbose: boolean) => Promise<Answer> | Answer

/**
 * `/livez`, `/readyz`, `/healthz` (the same as `/readyz`) and `/metrics`, for GET and HEAD. 200 or 503, with the
 * reasons of a 503 in the body; `?verbose` explains every check.
 *
 * It has no authentication, so it says nothing that is a secret. The network policies decide who reaches it.
 */
export class HealthServer {
  readonly #server: Server
  readonly #options: HealthServerOptions
  readonly #pages: Readonly<Record<string, Page>>

  constructor(options: HealthServerOptions) {
    this.#options = options
    const readiness: Page = (verbose) => answerOf(options.readiness(), verbose)
    this.#pages = {
      '/livez': (verbose) => answerOf(options.liveness(), verbose),
      '/readyz': readiness,
      '/healthz': readiness,
      '/metrics': async () => ({
        status: 200,
        contentType: options.metrics.contentType,
        body: await options.metrics.text(),
      }),
    }
    this.#server = createServer(
      {
        headersTimeout: requestMilliseconds,
        requestTimeout: requestMilliseconds,
        connectionsCheckingInterval: 1_000,
        keepAliveTimeout: requestMilliseconds,
        maxHeaderSize: mostHeaderBytes,
      },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = mostConnections
    // An answer that nobody reads must not hold its connection for ever.
    this.#server.timeout = 2 * requestMilliseconds
  }

  /** Opens the port and returns its number. @throws when the port cannot be opened */
  listen(): Promise<number> {
    return listen(this.#server, this.#options.address, this.#options.port)
  }

  /** Closes the port and every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer
    try {
      answer = await this.#answerTo(request)
    } catch (error) {
      this.#options.onError(error)
      answer = { status: 500, body: 'this page could not be made; the log has the reason\n' }
    }
    response.writeHead(answer.status, {
      'content-type': answer.contentType ?? 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(answer.status === 405 && { allow: 'GET, HEAD' }),
    })
    response.end(request.method === 'HEAD' ? undefined : answer.body)
  }

  async #answerTo({ method, url }: IncomingMessage): Promise<Answer> {
    const asked = URL.parse(url ?? '', 'http://health')
    const page = asked === null ? undefined : this.#pages[asked.pathname]
    if (asked === null || page === undefined) {
      return { status: 404, body: `no such page; there are ${Object.keys(this.#pages).join(', ')}\n` }
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, body: `this page is read with GET or HEAD, not with ${method ?? 'nothing'}\n` }
    }
    return page(asked.searchParams.has('verbose'))
  }
}

function answerOf(checks: readonly Check[], verbose: boolean): Answer {
  const failed = checks.filter(({ ok }) => !ok)
  const shown = verbose ? checks : failed
  const lines = shown.map(({ name, ok, explanation }) => `[${ok ? '+' : '-'}] ${name}: ${explanation}\n`)
  const ok = failed.length === 0
  return { status: ok ? 200 : 503, body: `${lines.join('')}${ok ? 'ok' : 'not ok'}\n` }
}
