import type { Log } from '@regent/runtime/logging/log.ts'
import { Compacted, StoreUnavailable } from '../store/errors.ts'
import type { WatchEvent } from '../store/key-value.ts'
import { isAborted, Retry } from '../store/retry.ts'
import type { FollowUpdate, Store } from '../store/store.ts'
import { WakeUp } from './wake-up.ts'

/** Longest that a follower waits without looking, in milliseconds: it is woken before. */
const forEver = 2 ** 31 - 1

/** One who follows a place: what has happened there and was not taken yet. */
interface Follower {
  events: WatchEvent[]
  readonly changed: WakeUp
}

/**
 * Follows many places below one prefix by a single watch. A watch for each would be a stream for each, here and in
 * etcd, and thousands of agents that have nothing to do would cost more than those that have.
 *
 * A place is what is between the prefix and the last part of a key. What each of them is told is what
 * `Store.follow` tells. In return every pod is told of the changes of all places, and leaves most of them unread.
 */
export class SharedFollow {
  readonly #store: Pick<Store, 'watch' | 'snapshot' | 'count'>
  readonly #prefix: string
  readonly #log: Log
  readonly #followers = new Map<string, Set<Follower>>()
  /** Grows when changes may have been missed, so that everything is to be read again; 0 before there is a watch. */
  #generation = 0

  constructor(store: Pick<Store, 'watch' | 'snapshot' | 'count'>, prefix: string, log: Log) {
    this.#store = store
    this.#prefix = prefix
    this.#log = log
  }

  /** Watches until the signal is aborted. What fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const retry = new Retry()
    while (!isAborted(signal)) {
      try {
        const { revision } = await this.#store.count(this.#prefix, { signal })
        retry.succeeded()
        // Whoever reads from now on reads what was before this revision, and is told of what comes after it.
        this.#generation += 1
        for (const follower of [...this.#followers.values()].flatMap((followers) => [...followers])) {
          follower.events = []
          follower.changed.wake()
        }
        for await (const { events } of this.#store.watch(this.#prefix, { after: revision, signal })) this.#tell(events)
      } catch (error) {
        if (isAborted(signal)) return
        const passes = error instanceof Compacted || error instanceof StoreUnavailable
        this.#log[passes ? 'info' : 'error']('places-unwatched', { prefix: this.#prefix, error: error as Error })
        await retry.wait(signal)
      }
    }
  }

  /** What is at a place, then what happens there, until the signal is aborted. @param place ends with `/` */
  async *follow(
    place: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<FollowUpdate, void, undefined> {
    const follower: Follower = { events: [], changed: new WakeUp() }
    const followers = this.#followers.get(place) ?? new Set()
    this.#followers.set(place, followers.add(follower))
    try {
      const retry = new Retry()
      while (!isAborted(signal)) {
        try {
          if (this.#generation === 0) await follower.changed.wait(forEver, signal)
          else yield* this.#followOnce(place, follower, signal)
        } catch (error) {
          if (isAborted(signal)) return
          if (!(error instanceof Compacted || error instanceof StoreUnavailable)) throw error
          this.#log.info('etcd-list-again', { prefix: place, message: error.message })
          await retry.wait(signal)
        }
      }
    } finally {
      followers.delete(follower)
      if (followers.size === 0) this.#followers.delete(place)
    }
  }

  /** Until everything is to be read again. */
  async *#followOnce(
    place: string,
    follower: Follower,
    signal: AbortSignal,
  ): AsyncGenerator<FollowUpdate, void, undefined> {
    const generation = this.#generation
    const { items, revision } = await this.#store.snapshot(place, { signal })
    yield { kind: 'snapshot', items, revision }
    while (this.#generation === generation && !isAborted(signal)) {
      const events = follower.events.filter((event) => revisionOf(event) > revision)
      follower.events = []
      const last = events.at(-1)
      if (last === undefined) await follower.changed.wait(forEver, signal)
      else yield { kind: 'changes', events, revision: revisionOf(last) }
    }
  }

  #tell(events: readonly WatchEvent[]): void {
    for (const event of events) {
      const key = event.kind === 'put' ? event.item.key : event.key
      for (const follower of this.#followers.get(key.slice(0, key.lastIndexOf('/') + 1)) ?? []) {
        follower.events.push(event)
        follower.changed.wake()
      }
    }
  }
}

function revisionOf(event: WatchEvent): bigint {
  return event.kind === 'put' ? event.item.modRevision : event.modRevision
}
