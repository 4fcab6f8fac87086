import { EventEmitter } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { commonHeaders, errorText, readCredentials, readText, type ApiServer } from './api-server.ts'
import { monotonicElapsedMs, systemClock, type Clock, type Instant } from './clock.ts'
import { at, textAt } from './json.ts'
import { LineSplitter } from './lines.ts'

/** Why a watch ended. */
export type WatchEndReason =
  /** The time that was asked for is over, as agreed. */
  | 'timeout'
  /** The resourceVersion is too old: read everything again. */
  | 'gone'
  /** The connection broke, or was closed before its time. */
  | 'reset'
  | 'forbidden'
  | 'unauthorized'
  /** Not answered, or by something that is no watch; `why` says what. */
  | 'error'

export interface WatchEnd {
  readonly reason: WatchEndReason
  /** What the API server said, where it said anything. */
  readonly status?: number
  readonly why: string
}

/** What a watch tells. */
export interface WatchEvents {
  /** The API server accepted the watch. */
  answered: []
  /** An object of the selection was added, changed or deleted, or began or ceased to be selected. */
  event: [{ readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: unknown }]
  /** Everything up to this version was told. */
  bookmark: [{ readonly resourceVersion: string }]
  /** Exactly once per start, unless it was closed here: nothing follows it. */
  ended: [WatchEnd]
}

export interface WatchOptions {
  /** Of the collection, without a query: `/api/v1/namespaces/NAME/pods`. */
  readonly path: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
  /** How long the API server is asked to keep it up, give or take a tenth. @default 300 */
  readonly timeoutSeconds?: number
  /** How long the API server may take to accept it. @default 5 */
  readonly answerSeconds?: number
  /** Longest event, in bytes. @default 1 MiB */
  readonly maxEventBytes?: number
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
  /** @default the system's */
  readonly clock?: Clock
}

/** How much longer than agreed a watch may last before it is taken for dead, in seconds. */
const overtimeSeconds = 10
/** How much earlier than agreed its end is still the agreed one, in milliseconds: both sides measure. */
const toleranceMs = 1000
/** From this long without a byte the kernel asks whether the other side is there, ten times, a second apart. */
const keepAliveMs = 5000
const maxRefusalBytes = 64 * 1024

/**
 * One watch on a collection, on a connection of its own. It does not start again by itself: whoever owns it knows
 * what an end means, and {@link rewatchBackoff} says when to try again.
 *
 * Not guaranteed: that silence means that nothing happened. A half-open connection is noticed by the kernel after
 * about 15 s; whoever needs to know sooner must read the object.
 */
export class Watch extends EventEmitter<WatchEvents> {
  readonly #api: ApiServer
  readonly #options: WatchOptions
  readonly #clock: Clock
  /** Ends the watch that runs without a word; absent when none does. */
  #stop: (() => void) | undefined
  #resourceVersion: string | undefined

  constructor(api: ApiServer, options: WatchOptions) {
    super()
    this.#api = api
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** The newest version that was told, by an event or a bookmark: where the next watch goes on. */
  get resourceVersion(): string | undefined {
    return this.#resourceVersion
  }

  /**
   * Begins to watch, in place of the watch that runs, if one does.
   *
   * @param resourceVersion what happened after this version is told; without it, everything that exists is told
   *   first as ADDED, at a version of the API server's choice
   */
  start(resourceVersion?: string): void {
    this.close()
    this.#resourceVersion = resourceVersion
    let request: ClientRequest | undefined
    let limit: NodeJS.Timeout | undefined
    const stop = (): void => {
      this.#stop = undefined
      clearTimeout(limit)
      request?.destroy()
    }
    this.#stop = stop
    // Whoever listens may close this watch, or start another, at every event.
    const isOver = (): boolean => this.#stop !== stop
    const end = (end: WatchEnd): void => {
      if (isOver()) return
      stop()
      this.emit('ended', end)
    }
    const expire = (seconds: number, over: WatchEnd): void => {
      clearTimeout(limit)
      limit = setTimeout(() => end(over), seconds * 1000)
    }

    const { answerSeconds = 5, timeoutSeconds = 300, random = Math.random } = this.#options
    const agreedSeconds = Math.max(1, Math.round(timeoutSeconds * (0.9 + 0.2 * random())))
    const startedAt = this.#clock.now()
    expire(answerSeconds, { reason: 'error', why: `not accepted within ${answerSeconds} s` })
    try {
      request = this.#open(agreedSeconds, resourceVersion)
    } catch (error) {
      // Never from within start(): whoever starts it again in the handler would do so for ever.
      setImmediate(end, { reason: 'error', why: errorText(error) })
      return
    }
    let broken: WatchEndReason = 'error'
    request.on('error', (error) => end({ reason: broken, why: errorText(error) }))
    request.on('response', (response) => {
      if (isOver()) return
      if (response.statusCode !== 200) {
        refusalOf(response).then(end, (error: unknown) => end({ reason: 'error', why: errorText(error) }))
        return
      }
      broken = 'reset'
      const seconds = agreedSeconds + overtimeSeconds
      expire(seconds, { reason: 'timeout', why: `the API server did not end it after ${seconds} s` })
      response.on('error', (error) => end({ reason: 'reset', why: errorText(error) }))
      response.on('close', () => end(endOfStream(startedAt, this.#clock.now(), agreedSeconds)))
      const lines = new LineSplitter(this.#options.maxEventBytes ?? 1024 * 1024)
      response.on('data', (chunk: Buffer) => {
        for (const told of tellings(lines, chunk)) {
          if (isOver()) return
          if (told.type === 'ended') end(told.end)
          else this.#tell(told)
        }
      })
      this.emit('answered')
    })
  }

  /** Ends the watch without another event. It may be started again. */
  close(): void {
    this.#stop?.()
  }

  #open(agreedSeconds: number, resourceVersion: string | undefined): ClientRequest {
    const { path, fieldSelector, labelSelector } = this.#options
    const { token, ca } = readCredentials(this.#api)
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(agreedSeconds),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(labelSelector !== undefined && { labelSelector }),
    })
    const { host, port } = this.#api
    const headers = commonHeaders(token)
    const request = httpsRequest({ host, port, ca, headers, agent: false, path: `${path}?${query.toString()}` })
    request.setSocketKeepAlive(true, keepAliveMs)
    request.end()
    return request
  }

  #tell(told: Exclude<Told, { type: 'ended' }>): void {
    const { type, object, resourceVersion } = told
    this.#resourceVersion = resourceVersion
    if (type === 'BOOKMARK') this.emit('bookmark', { resourceVersion })
    else this.emit('event', { type, object })
  }
}

type Told =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
      readonly object: unknown
      readonly resourceVersion: string
    }
  | { readonly type: 'ended'; readonly end: WatchEnd }

/** What the lines of a chunk say. Nothing is told here: a failure of whoever listens is no failure of the stream. */
function tellings(lines: LineSplitter, chunk: Buffer): readonly Told[] {
  try {
    return lines.push(chunk).map(toldBy)
  } catch (error) {
    return [{ type: 'ended', end: { reason: 'error', why: errorText(error) } }]
  }
}

function toldBy(line: string): Told {
  const parsed = parse(line)
  const type = textAt(parsed, 'type')
  const object = at(parsed, 'object')
  if (type === 'ERROR') return { type: 'ended', end: endOf(object) }
  const resourceVersion = textAt(object, 'metadata', 'resourceVersion')
  const isKnown = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK'
  if (isKnown && resourceVersion !== undefined) return { type, object, resourceVersion }
  const why = `neither an event with an object and its resourceVersion nor an error: ${excerpt(line)}`
  return { type: 'ended', end: { reason: 'error', why } }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function excerpt(line: string): string {
  return JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line)
}

async function refusalOf(response: IncomingMessage): Promise<WatchEnd> {
  const body = parse(await readText(response, maxRefusalBytes))
  return endOf(body, response.statusCode)
}

const reasons: Readonly<Record<number, WatchEndReason>> = { 401: 'unauthorized', 403: 'forbidden', 410: 'gone' }

/** What a `Status` says of the end. A status without one is somebody else's: nothing is concluded from it. */
function endOf(body: unknown, httpStatus?: number): WatchEnd {
  const code = at(body, 'code')
  const status = typeof code === 'number' ? code : httpStatus
  if (textAt(body, 'kind') !== 'Status' || status === undefined) {
    const said = httpStatus === undefined ? 'an ERROR event' : `status ${httpStatus}`
    return {
      reason: 'error',
      why: `${said} without a Status object: the API server did not answer this itself`,
      ...(httpStatus !== undefined && { status: httpStatus }),
    }
  }
  return { reason: reasons[status] ?? 'error', status, why: textAt(body, 'message') ?? `status ${status}` }
}

function endOfStream(from: Instant, to: Instant, agreedSeconds: number): WatchEnd {
  return monotonicElapsedMs(from, to) >= agreedSeconds * 1000 - toleranceMs
    ? { reason: 'timeout', why: `it lasted ${agreedSeconds} s, as agreed` }
    : { reason: 'reset', why: 'the connection was closed before its time' }
}
