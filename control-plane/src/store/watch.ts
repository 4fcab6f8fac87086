import type { Log } from '@regent/runtime/logging/log.ts'
import { Compacted, StoreRefused, StoreUnavailable } from './errors.ts'
import { defaultTimeoutMs, type EtcdClient } from './etcd-client.ts'
import { Inbox } from './inbox.ts'
import type { WatchBatch, WatchEvent } from './key-value.ts'
import type { Message } from './protocol-types.ts'
import { calls, type WatchResponse } from './protocol.ts'
import { isAborted, Retry } from './retry.ts'
import { storeForbidden } from './store-errors.ts'
import { keyValue, rangeRequest } from './wire.ts'

export interface WatchOptions {
  /** The first event is the first one after this revision. */
  readonly after: bigint
  /** Ends the watch. */
  readonly signal: AbortSignal
}

/** After so much silence etcd is asked for a sign of life, in milliseconds; the answer may take as long again. */
const QUIET_MS = 5000

/**
 * What happens to the keys below a prefix, from a revision on, without loss or repetition: it goes on by itself after
 * every interruption, at another member where there is one. A connection that died silently is noticed after 10 s, and
 * not used again.
 *
 * Not guaranteed: that anything comes while etcd is away; nothing tells the reader that it is.
 * @throws Compacted where etcd does not have the next revision any more, or was restored to one before it: list again
 * @throws StoreRefused where the request is wrong. One that etcd forbids is asked again: it may be allowed later
 */
export async function* watch(
  client: EtcdClient,
  prefix: string,
  { after, signal }: WatchOptions,
  log: Log,
): AsyncGenerator<WatchBatch, void, undefined> {
  const ended = AbortSignal.any([signal, client.closed])
  const retry = new Retry()
  let reached = after
  while (!isAborted(ended)) {
    try {
      for await (const response of responses(client, prefix, reached, ended)) {
        retry.succeeded()
        reached = response.revision
        if (response.events.length > 0) yield response
      }
    } catch (error) {
      if (isAborted(ended)) return
      if (error instanceof Compacted || error instanceof StoreRefused || !(error instanceof Error)) throw error
      log.info('etcd-watch-restarts', { prefix, message: error.message })
      await retry.wait(ended)
    }
  }
}

/** One stream, until it ends. A batch without events tells that everything up to its revision was seen. */
async function* responses(
  client: EtcdClient,
  prefix: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch, void, undefined> {
  const member = await client.connected(performance.now() + defaultTimeoutMs, signal)
  const stream = client.stream(member, calls.watch)
  const inbox = new Inbox(stream, `the watch of ${prefix}`)
  try {
    stream.write({
      createRequest: { ...rangeRequest(prefix, true), startRevision: after + 1n, progressNotify: true, fragment: true },
    })
    // Events of a revision whose other events are still to come.
    let part: WatchEvent[] = []
    for (;;) {
      const response = await nextResponse(inbox, () => stream.write({ progressRequest: {} }), signal)
      if (response === 'silence') {
        client.silent(member)
        throw new StoreUnavailable(`a watch at ${member.address} was silent for ${(2 * QUIET_MS) / 1000} s`, {
          mayHaveHappened: false,
        })
      }
      if (response === undefined) return
      refuseCancelled(response, prefix)
      if (response.created) {
        if (response.header.revision < after) await mustHaveReached(client, prefix, after, signal)
        continue
      }
      const events = [...part, ...response.events.map(watchEvent)]
      const last = events.at(-1)
      if (last === undefined) {
        // Its own sign that all before was sent; an answer to a progress request has another number and says less.
        if (response.watchId === 0n) yield { revision: response.header.revision, events: [] }
        continue
      }
      const lastRevision = revisionOf(last)
      const whole = response.fragment ? events.filter((event) => revisionOf(event) < lastRevision) : events
      part = events.slice(whole.length)
      const lastWhole = whole.at(-1)
      if (lastWhole !== undefined) yield { revision: revisionOf(lastWhole), events: whole }
    }
  } catch (error) {
    client.failed(member)
    throw error
  } finally {
    inbox.close()
  }
}

/** The next message; silence is broken once by asking, and is the answer when nothing comes then either. */
async function nextResponse(
  inbox: Inbox<Message<'WatchRequest'>, WatchResponse>,
  ask: () => void,
  signal: AbortSignal,
): Promise<WatchResponse | 'silence' | undefined> {
  const response = await inbox.next(QUIET_MS, signal)
  if (response !== undefined || isAborted(signal)) return response
  ask()
  const late = await inbox.next(QUIET_MS, signal)
  return late ?? (isAborted(signal) ? undefined : 'silence')
}

function refuseCancelled({ canceled, compactRevision, cancelReason }: WatchResponse, prefix: string): void {
  if (!canceled) return
  if (compactRevision > 0n) throw new Compacted(`the watch of ${prefix}: etcd keeps nothing before ${compactRevision}`)
  const forbidden = storeForbidden(cancelReason, `the watch of ${prefix}: ${cancelReason}`)
  if (forbidden !== undefined) throw forbidden
  throw new StoreUnavailable(`etcd ended the watch of ${prefix}: ${cancelReason || 'without a reason'}`, {
    mayHaveHappened: false,
  })
}

/** A member may lag behind; all of etcd may not, unless it was restored from a backup. */
async function mustHaveReached(client: EtcdClient, prefix: string, after: bigint, signal: AbortSignal): Promise<void> {
  const { header } = await client.unary(
    calls.range,
    { ...rangeRequest(prefix, true), countOnly: true },
    { writes: false, signal },
  )
  if (header.revision < after) {
    throw new Compacted(`etcd is at revision ${header.revision}, before ${after}: it was restored from a backup`)
  }
}

function watchEvent({ type, kv }: WatchResponse['events'][number]): WatchEvent {
  const item = keyValue(kv)
  return type === 'PUT' ? { kind: 'put', item } : { kind: 'delete', key: item.key, modRevision: item.modRevision }
}

function revisionOf(event: WatchEvent): bigint {
  return event.kind === 'put' ? event.item.modRevision : event.modRevision
}
