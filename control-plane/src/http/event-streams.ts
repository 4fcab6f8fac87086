import type { ServerResponse } from 'node:http'
import type { ApiEvent } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { Caller } from '../identity/caller.ts'
import { Unauthenticated } from '../identity/refusal.ts'
import { Compacted, UnreadableRecord } from '../store/errors.ts'
import type { WatchEvent } from '../store/key-value.ts'
import { keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { agentEvents, commandEvents, type EventReader, healthEvents, keyOf, revisionOf } from './api-events.ts'
import { Problem } from './problem.ts'

export interface EventStreamsOptions {
  readonly store: Pick<Store, 'get' | 'watch'>
  readonly log: Log
  /** Streams at once: each is a watch of its own in etcd. @default 64 */
  readonly mostStreams?: number
  /** Streams of one caller at once. @default 8 */
  readonly mostOfCaller?: number
  /** @default 15 */
  readonly heartbeatSeconds?: number
  /** Longest life of one stream. @default 3600 */
  readonly longestSeconds?: number
  /** Bytes that may wait to be read. @default 1 MiB */
  readonly mostUnreadBytes?: number
}

/** A stream that will begin where the caller was before. */
export interface PreparedStream {
  /** Takes over the answer; it ends by itself. */
  begin(response: ServerResponse, headers: Readonly<Record<string, string>>): void
}

/** What of all that is stored is told. */
const readers: readonly EventReader[] = [agentEvents, healthEvents, commandEvents]

/** How long a client waits before it comes back, in milliseconds: said once, at the beginning. */
const retryMs = 1000

/**
 * Server-sent events of what changes in etcd, by a watch for each stream.
 *
 * Not guaranteed: that every state of a record is told where it changes faster than it is read; the last one is.
 */
export class EventStreams {
  readonly #options: EventStreamsOptions
  readonly #open = new Set<{ readonly callerId: string; readonly end: AbortController }>()
  #isClosed = false

  constructor(options: EventStreamsOptions) {
    this.#options = options
  }

  /**
   * Finds out where a stream begins: after the event that the caller received last, or now.
   *
   * @throws Problem where there are as many streams as there may be
   * @throws Unauthenticated where the caller's token was revoked since it was looked at
   * @throws StoreUnavailable where etcd is away
   */
  async prepare(caller: Caller, lastEventId: string | undefined): Promise<PreparedStream> {
    const { mostStreams = 64, mostOfCaller = 8, store } = this.#options
    const { revision, isRevoked } = await now(store, caller)
    if (isRevoked) throw new Unauthenticated('unknown')
    // Counted after the wait, so that those who waited together are counted together.
    const own = [...this.#open].filter(({ callerId }) => callerId === caller.id).length
    if (this.#isClosed || this.#open.size >= mostStreams || own >= mostOfCaller) {
      const why = this.#isClosed ? 'this pod stops' : own >= mostOfCaller ? 'you follow too often' : 'too many follow'
      throw new Problem('too-many-requests', `${why}; come again in a minute`, { headers: { 'retry-after': '60' } })
    }
    const entry = { callerId: caller.id, end: new AbortController() }
    this.#open.add(entry)
    const last = lastEventId === undefined ? revision : BigInt(lastEventId)
    return {
      begin: (response, headers) => {
        void this.#run(caller, response, headers, { after: last, newest: revision, end: entry.end }).finally(() => {
          this.#open.delete(entry)
        })
      },
    }
  }

  /** How many streams are open. */
  get count(): number {
    return this.#open.size
  }

  /** Ends all streams; their readers come back to another pod. */
  close(): void {
    this.#isClosed = true
    for (const { end } of this.#open) end.abort()
  }

  async #run(
    caller: Caller,
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    start: { readonly after: bigint; readonly newest: bigint; readonly end: AbortController },
  ): Promise<void> {
    const { heartbeatSeconds = 15, longestSeconds = 3600, mostUnreadBytes = 1024 * 1024, log } = this.#options
    const { end } = start
    const ended = new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve(), { once: true }))
    let reached = start.after
    const write = (text: string): void => {
      if (end.signal.aborted) return
      response.write(text)
      if (response.writableLength <= mostUnreadBytes) return
      log.warn('event-stream-cut', { callerId: caller.id, message: 'it is not read as fast as it is written' })
      response.destroy()
      end.abort()
    }
    response.on('close', () => end.abort())
    response.on('error', () => end.abort())
    const lifeMs = Math.min(longestSeconds * 1000, caller.expiresAt.getTime() - Date.now())
    const life = setTimeout(() => end.abort(), Math.max(0, lifeMs))
    // The id goes on although nothing of interest happens: a reader that comes back late finds it still known.
    const heartbeat = setInterval(() => write(`: alive\nid: ${reached}\n\n`), heartbeatSeconds * 1000)
    try {
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' })
      response.socket?.setNoDelay(true)
      write(`retry: ${retryMs}\nid: ${reached}\n\n`)
      if (reached > start.newest) reached = this.#reset(write, start.newest)
      const told = this.#tell(caller, reached, end, (text, revision) => {
        reached = revision
        write(text)
      })
      await Promise.race([told, ended])
    } catch (error) {
      log.error('event-stream-failed', { callerId: caller.id, error: error as Error })
    } finally {
      clearTimeout(life)
      clearInterval(heartbeat)
      end.abort()
      response.end()
    }
  }

  async #tell(
    caller: Caller,
    after: bigint,
    end: AbortController,
    tell: (text: string, revision: bigint) => void,
  ): Promise<void> {
    const { store } = this.#options
    const ownToken = tokenKeyOf(caller)
    for (let from = after; !end.signal.aborted;) {
      try {
        for await (const { events, revision } of store.watch(prefixes.everything, {
          after: from,
          signal: end.signal,
        })) {
          // Whose token was revoked is not told what came after.
          if (events.some((event) => event.kind === 'delete' && event.key === ownToken)) return
          tell(this.#textOf(events), revision)
          from = revision
        }
        return
      } catch (error) {
        if (!(error instanceof Compacted)) throw error
        const { revision, isRevoked } = await now(store, caller, { signal: end.signal })
        if (isRevoked) return
        from = this.#reset((text) => tell(text, revision), revision)
      }
    }
  }

  #reset(write: (text: string) => void, revision: bigint): bigint {
    write(textOf({ type: 'reset' }, revision))
    return revision
  }

  /** The events of a batch. Only the last of a revision has its id: who comes back with it has seen all of them. */
  #textOf(events: readonly WatchEvent[]): string {
    const told = events.flatMap((event) => {
      const found = this.#read(event)
      return found === undefined ? [] : [{ found, revision: revisionOf(event) }]
    })
    return told
      .map(({ found, revision }, index) => textOf(found, told[index + 1]?.revision === revision ? undefined : revision))
      .join('')
  }

  #read(event: WatchEvent): ApiEvent | undefined {
    try {
      for (const read of readers) {
        const found = read(event)
        if (found !== undefined) return found
      }
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#options.log.warn('record-unreadable', { key: keyOf(event), error })
    }
    return undefined
  }
}

/**
 * Where etcd is now, and whether the caller's token is not there any more: read at once, so that a watch from this
 * revision on sees every revocation that this does not.
 */
async function now(
  store: Pick<Store, 'get'>,
  caller: Caller,
  options?: { readonly signal: AbortSignal },
): Promise<{ readonly revision: bigint; readonly isRevoked: boolean }> {
  const ownToken = tokenKeyOf(caller)
  const { found, revision } = await store.get(ownToken ?? keys.token('nobody'), options)
  return { revision, isRevoked: ownToken !== undefined && found === undefined }
}

function tokenKeyOf({ tokenId }: Caller): string | undefined {
  return tokenId === undefined ? undefined : keys.token(tokenId)
}

function textOf(event: ApiEvent, revision: bigint | undefined): string {
  const id = revision === undefined ? '' : `id: ${revision}\n`
  return `event: ${event.type}\n${id}data: ${JSON.stringify(event)}\n\n`
}
