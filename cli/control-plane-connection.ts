import { readFileSync } from 'node:fs'
import { apiEvent, type ApiEvent, apiPrefix, problemDetails } from '@regent/contract/api.ts'
import type { Command } from 'commander'
import { z } from 'zod'
import { reasonOf } from '../lib/reason.ts'
import { Refusal, UsageError } from './errors.ts'

/** Which control plane to ask, and as whom, as every command that asks one takes it. */
export interface ControlPlaneOptions {
  readonly url?: string
  readonly tokenFile?: string
}

/** Where such a command takes them from, for its help. */
export const whichControlPlane =
  'The control plane is REGENT_URL, and the token REGENT_TOKEN. One that is not public is trusted by NODE_EXTRA_CA_CERTS.'

/** Lets a command take them, and print JSON. */
export function takingControlPlane(command: Command): Command {
  return command
    .option('--url <url>', 'URL of the control plane (default: REGENT_URL)')
    .option('--token-file <file>', 'file with the token (default: the token itself in REGENT_TOKEN)')
    .option('--json', 'print JSON')
}

/** One request. */
export interface ApiCall<Answer> {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** Below the API's prefix; each part that comes from a person is encoded. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What is answered. @default nothing */
  readonly answer?: z.ZodType<Answer>
}

/** Longest time that one request may take, in milliseconds. */
const requestMs = 30_000
/** Most pages of a list that are read. */
const mostPages = 1000
/** A stream without a sign of life for so long is opened again, in milliseconds: it has one every 15 s. */
const silenceMs = 45_000
/** Before a stream is opened again, in milliseconds. */
const againMs = 1000

/** A control plane, as its HTTP API shows it. */
export class ControlPlaneConnection {
  readonly #origin: URL
  readonly #token: string

  /**
   * Nothing is asked yet.
   *
   * @throws UsageError without a URL, or with one that would send the token in the clear
   * @throws Refusal without a token
   */
  constructor({ url = process.env['REGENT_URL'], tokenFile }: ControlPlaneOptions) {
    const origin = url === undefined ? null : URL.parse(url)
    if (origin === null || (origin.protocol !== 'https:' && origin.protocol !== 'http:')) {
      throw new UsageError(`expected the URL of the control plane in --url or REGENT_URL, got '${url ?? ''}'`)
    }
    if (origin.protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(origin.hostname)) {
      throw new UsageError(`${origin.origin} would get the token in the clear; use https, or kubectl port-forward`)
    }
    this.#origin = origin
    this.#token = tokenOf(tokenFile)
  }

  /** @throws Refusal with what the control plane said, or that it said nothing */
  async call<Answer = undefined>({ method = 'GET', path, body, headers, answer }: ApiCall<Answer>): Promise<Answer> {
    const response = await this.#fetch(path, {
      method,
      signal: AbortSignal.timeout(requestMs),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text().catch((error: unknown) => Promise.reject(this.#silent(error)))
    const found = (answer ?? z.undefined()).safeParse(text === '' ? undefined : jsonOf(text))
    // What is answered where nothing is expected is nothing that this command was made for.
    if (found.success) return found.data as Answer
    throw new Refusal([`error: ${this.#origin.origin}${path} answers with something that is none of this API`])
  }

  /** Every item of a list, page by page. */
  async list<Item>(path: string, query: Readonly<Record<string, string | undefined>>, item: z.ZodType<Item>) {
    const page = z.object({ items: z.array(item), nextCursor: z.string().optional() })
    const items: Item[] = []
    let cursor: string | undefined
    for (let pages = 0; pages < mostPages; pages += 1) {
      const asked = Object.entries({ ...query, cursor, limit: '100' }).filter(([, value]) => value !== undefined)
      const search = new URLSearchParams(Object.fromEntries(asked) as Record<string, string>)
      const found = await this.call({ path: `${path}?${search.toString()}`, answer: page })
      items.push(...found.items)
      cursor = found.nextCursor
      if (cursor === undefined) return items
    }
    throw new Refusal([`error: ${path} does not end: more than ${mostPages} pages`])
  }

  /**
   * An answer that is read as it comes. It breaks off after so long without anything, in milliseconds.
   *
   * @throws Refusal with what the control plane said, or that it said nothing any more
   */
  async *bytes(path: string, silentMs = silenceMs): AsyncGenerator<Buffer, void, undefined> {
    const silent = new AbortController()
    const timer = setTimeout(() => silent.abort(), silentMs)
    try {
      const response = await this.#fetch(path, { signal: silent.signal })
      for await (const chunk of response.body ?? []) {
        timer.refresh()
        yield Buffer.from(chunk as Uint8Array)
      }
    } catch (error) {
      throw error instanceof Refusal ? error : this.#silent(error)
    } finally {
      clearTimeout(timer)
      silent.abort()
    }
  }

  /**
   * What happens from now on, over every interruption, until the reader stops. The first event is `reset`, once nothing
   * is missed any more: a list that is read then has all that happened before.
   *
   * @throws Refusal where the control plane does not answer at first, and whenever asking again would change nothing
   */
  async *events(): AsyncGenerator<ApiEvent, never, undefined> {
    let lastId: string | undefined
    for (;;) {
      const silent = new AbortController()
      let timer: NodeJS.Timeout | undefined
      const heard = (): void => {
        clearTimeout(timer)
        timer = setTimeout(() => silent.abort(), silenceMs)
      }
      try {
        heard()
        const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId }
        const response = await this.#fetch('/events', { signal: silent.signal, headers })
        let text = ''
        for await (const chunk of response.body ?? []) {
          heard()
          text += Buffer.from(chunk as Uint8Array).toString()
          const blocks = text.split('\n\n')
          text = blocks.pop() ?? ''
          for (const block of blocks) {
            const isFirst = lastId === undefined
            lastId = /^id: (.*)$/m.exec(block)?.[1] ?? lastId
            // Only who knows an id misses nothing, whatever happens to the stream.
            if (isFirst && lastId !== undefined) yield { type: 'reset' }
            const data = /^data: (.*)$/m.exec(block)?.[1]
            const event = apiEvent.safeParse(data === undefined ? undefined : jsonOf(data))
            // A newer control plane may tell more than this knows of.
            if (event.success) yield event.data
          }
        }
      } catch (error) {
        // What it refuses at first it refuses again; later what was away may come back.
        if (error instanceof Refusal && lastId === undefined) throw error
        if (error instanceof Refusal && isFinal(error)) throw new Refusal([...error.lines, ...endedLines], error.status)
      } finally {
        clearTimeout(timer)
        silent.abort()
      }
      await new Promise((resolve) => setTimeout(resolve, againMs))
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const url = new URL(`${this.#origin.pathname.replace(/\/$/, '')}${apiPrefix}${path}`, this.#origin)
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${this.#token}` }
    const response = await fetch(url, { ...init, headers, redirect: 'error' }).catch((error: unknown) =>
      Promise.reject(this.#silent(error)),
    )
    if (!response.ok) {
      const text = await response.text().catch(() => '')
      throw new Refusal(refusalLines(response.status, text), response.status)
    }
    return response
  }

  #silent(error: unknown): Refusal {
    return new Refusal([`error: ${this.#origin.origin} does not answer: ${reasonOf(error)}`])
  }
}

/** Whether the same request would be refused again: neither a fault that passes nor a limit. */
function isFinal({ status }: Refusal): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429
}

const endedLines = [
  '  what happens is not followed any more; give a token that is valid, in REGENT_TOKEN or --token-file, and start again',
]

/** A problem as people read it: what it is, what is wrong where, and under which id the log has it. */
export function refusalLines(status: number, text: string): readonly string[] {
  const found = problemDetails.safeParse(jsonOf(text))
  if (!found.success) return [`error: the control plane answers with ${status}, and without saying why`]
  const { title, detail, problems = [], instance } = found.data
  return [
    `error: ${title} (${status})${detail === undefined ? '' : `: ${detail}`}`,
    ...problems.map(({ path, message }) => `  ${path}: ${message}`),
    ...(status >= 500 && instance !== undefined ? [`  ${instance}`] : []),
  ]
}

function tokenOf(file: string | undefined): string {
  const token = (file === undefined ? (process.env['REGENT_TOKEN'] ?? '') : contentOf(file)).trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  const where = file ?? 'REGENT_TOKEN'
  throw new Refusal([
    `error: expected one token in ${where}, got ${token === '' ? 'nothing' : 'something else'}; an administrator makes one by`,
    '  kubectl create token regent-admin -n regent-system --audience regent-control-plane',
  ])
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Refusal([`error: ${file} cannot be read: ${reasonOf(error)}`])
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
