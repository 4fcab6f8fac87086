import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@regent/runtime/logging/log.ts'
import { UnreadableRecord } from '../store/errors.ts'
import type { KeyValue } from '../store/key-value.ts'
import { prefixes } from '../store/keys.ts'
import { isAborted } from '../store/retry.ts'
import type { FollowUpdate, Store } from '../store/store.ts'
import { type Census, censusRecord } from './census-record.ts'

const retryMs = 1_000

/** The newest census, whichever pod took it: what this pod tells of all agents. */
export class NewestCensus {
  readonly #store: Pick<Store, 'follow'>
  readonly #log: Log
  #census: Census | undefined

  constructor(store: Pick<Store, 'follow'>, log: Log) {
    this.#store = store
    this.#log = log
  }

  /** As it was heard last: while etcd is away it grows old. `undefined` before there is any. */
  get census(): Census | undefined {
    return this.#census
  }

  /** Follows what is written until the signal is aborted. What fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    while (!isAborted(signal)) {
      try {
        for await (const update of this.#store.follow(prefixes.census, { signal })) this.#take(update)
      } catch (error) {
        if (isAborted(signal)) return
        this.#log.error('census-unwatched', { error: error as Error })
        await pause(retryMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  #take(update: FollowUpdate): void {
    const written = newestIn(update)
    if (written === undefined) return
    try {
      this.#census = censusRecord.parse(written)
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      // The one before is told until it is too old: that is how it is seen.
      this.#log.error('census-unreadable', { error })
    }
  }
}

function newestIn(update: FollowUpdate): KeyValue | undefined {
  if (update.kind === 'snapshot') return update.items.at(-1)
  return update.events.flatMap((event) => (event.kind === 'put' ? [event.item] : [])).at(-1)
}
