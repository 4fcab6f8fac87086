import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { systemClock, type Clock, type Instant } from './clock.ts'
import { at, textAt } from './json.ts'

/**
 * Requests to the Kubernetes API server, on `node:https` alone: the elector's thread must stay small and must not
 * share connections, queues or retries with anything else.
 */

/** Where the API server is, and who we are to it. */
export interface ApiServer {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** The bearer token. It is rotated, so it is read again for every request. */
  readonly tokenFile: string
  /** The certificate authority, PEM. It is rotated too. */
  readonly caFile: string
}

/** One request. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query, encoded. */
  readonly path: string
  readonly body?: object
  /** @default application/json */
  readonly contentType?: string
  /** For all of it: waiting for the connection, opening it, sending, and the whole answer. */
  readonly timeoutSeconds: number
}

/** What became of a request. `startedAt` is before anything of it was sent. */
export type ApiAnswer =
  /** The API server answered: the object with 2xx, a `Status` with anything else. */
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown; readonly startedAt: Instant }
  /** No answer of the API server: a write may or may not have happened, or may still happen. */
  | { readonly kind: 'failure'; readonly why: string; readonly startedAt: Instant }

export interface ApiConnectionOptions {
  /** @default the system's */
  readonly clock?: Clock
  /** Longest answer, in bytes. @default 1 MiB */
  readonly maxAnswerBytes?: number
  /**
   * A connection that was not used for so long is closed, in seconds: what silently died since would cost the next
   * request its whole time, and a new handshake costs milliseconds.
   * @default 20
   */
  readonly idleSeconds?: number
}

/** Shown by audit logs, and as the field manager of what is written. */
const userAgent = 'regent-agent/election'

/**
 * One connection to the API server, kept alive between requests; requests follow each other on it. When one fails or
 * runs out of time, its connection is destroyed, so that a stuck one never delays the next attempt. Nothing is
 * retried: the caller knows what an attempt is worth.
 *
 * Not guaranteed: that a failed write did not happen, or will not happen yet. Bytes that left this process may arrive
 * later, even after it ended.
 */
export class ApiConnection {
  readonly #api: ApiServer
  readonly #clock: Clock
  readonly #maxAnswerBytes: number
  readonly #pending = new Set<ClientRequest>()
  /** Keeps a connection per authority: one that was opened under another is not used again. */
  readonly #agent: Agent
  #isClosed = false

  constructor(api: ApiServer, options: ApiConnectionOptions = {}) {
    this.#api = api
    this.#clock = options.clock ?? systemClock
    this.#maxAnswerBytes = options.maxAnswerBytes ?? 1024 * 1024
    const idleMs = (options.idleSeconds ?? 20) * 1000
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1, timeout: idleMs })
  }

  /** Sends one request. Never rejects. */
  async request(request: ApiRequest): Promise<ApiAnswer> {
    const startedAt = this.#clock.now()
    try {
      const { status, text } = await this.#exchange(request)
      return { kind: 'answer', status, body: bodyOf(status, text), startedAt }
    } catch (error) {
      return { kind: 'failure', why: errorText(error), startedAt }
    }
  }

  /** Ends every request with a failure and lets go of the connection. Requests made afterwards fail. */
  close(): void {
    this.#isClosed = true
    for (const request of this.#pending) request.destroy(new Error('the connection was closed here'))
    this.#agent.destroy()
  }

  #exchange(request: ApiRequest): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error('the connection was closed here')
      const { token, ca } = readCredentials(this.#api)
      const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
      const sent = httpsRequest({
        host: this.#api.host,
        port: this.#api.port,
        method: request.method,
        path: request.path,
        ca,
        agent: this.#agent,
        headers: {
          ...commonHeaders(token),
          ...(body !== undefined && {
            'content-type': request.contentType ?? 'application/json',
            'content-length': body.length,
          }),
        },
      })
      const limit = setTimeout(() => {
        sent.destroy(new Error(`no answer within ${request.timeoutSeconds} s`))
      }, request.timeoutSeconds * 1000)
      this.#pending.add(sent)
      sent.on('error', reject)
      let isAnswered = false
      sent.on('close', () => {
        clearTimeout(limit)
        this.#pending.delete(sent)
        // Whatever else was missed: a promise that nobody settles would stop the elector.
        if (!isAnswered) reject(new Error('the connection ended before an answer began'))
      })
      sent.on('response', (response) => {
        isAnswered = true
        readText(response, this.#maxAnswerBytes).then(
          (text) => resolve({ status: response.statusCode ?? 0, text }),
          (error: unknown) => {
            sent.destroy()
            reject(new Error(errorText(error), { cause: error }))
          },
        )
      })
      sent.end(body)
    })
  }
}

/** What every request carries. */
export function commonHeaders(token: string): Readonly<Record<string, string>> {
  return { accept: 'application/json', 'user-agent': userAgent, authorization: `Bearer ${token}` }
}

/**
 * Token and authority as they are now.
 *
 * @throws Error that names the file, never what is in it
 */
export function readCredentials(api: ApiServer): { readonly token: string; readonly ca: string } {
  const token = contentOf('token', api.tokenFile)
  // Anything else would be refused by node:http with an error that could repeat it.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Error(`the token in ${api.tokenFile} is not one word of printable characters; it must hold one token`)
  }
  return { token, ca: contentOf('certificate authority', api.caFile) }
}

function contentOf(what: string, file: string): string {
  let content: string
  try {
    content = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const code = textAt(error, 'code') ?? 'unreadable'
    throw new Error(`the ${what} ${file} cannot be read (${code}); mount the pod's ServiceAccount there`)
  }
  if (content === '') throw new Error(`the ${what} ${file} is empty; mount the pod's ServiceAccount there`)
  return content
}

/**
 * The whole text of an answer.
 *
 * @throws Error when it is longer than allowed, or ends early
 */
export async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes, which is the longest allowed`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

/**
 * The object in an answer of the API server.
 *
 * @throws Error when somebody else answered: a proxy's "404" must not be read as an object that does not exist
 */
function bodyOf(status: number, text: string): unknown {
  const isSuccess = status >= 200 && status < 300
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new Error(`status ${status} with a body that is no JSON: the API server did not answer this itself`)
  }
  if (!isSuccess && (status < 400 || textAt(body, 'kind') !== 'Status')) {
    throw new Error(`status ${status} without a Status object: the API server did not answer this itself`)
  }
  return body
}

/** An error in words: those of what caused it, where it has none of its own. */
export function errorText(error: unknown): string {
  // Several addresses were tried: the error of all of them has no message.
  const errors = at(error, 'errors')
  if (Array.isArray(errors) && errors.length > 0) return errors.map(errorText).join('; ')
  return textAt(error, 'message') || (textAt(error, 'code') ?? String(error))
}
