import { setTimeout as pause } from 'node:timers/promises'
import { prefixes } from '../store/keys.ts'
import { isAborted } from '../store/retry.ts'
import type { Store } from '../store/store.ts'

/** How often etcd is asked, in milliseconds. */
const everyMs = 1_000
const answerWithinMs = 2_000
/** Older than this an answer says nothing of now, in milliseconds: an election of etcd's own may take that long. */
const freshMs = 6_000

/** Whether etcd answers reads that a majority of it agrees on. */
export class StoreProbe {
  readonly #store: Pick<Store, 'count'>
  readonly #nowMs: () => number
  #answeredAtMs = -Infinity
  #why = 'it was not asked yet'

  /** @param nowMs monotonic, in milliseconds */
  constructor(store: Pick<Store, 'count'>, nowMs: () => number = () => performance.now()) {
    this.#store = store
    this.#nowMs = nowMs
  }

  get answers(): boolean {
    return this.#nowMs() - this.#answeredAtMs < freshMs
  }

  /** In words. */
  get explanation(): string {
    const seconds = Math.round((this.#nowMs() - this.#answeredAtMs) / 1000)
    if (this.answers) return `it answered ${seconds} s ago`
    const since = this.#answeredAtMs === -Infinity ? 'it never answered' : `its last answer is ${seconds} s old`
    return `${since}: ${this.#why}; agents and people are told to come back until it does`
  }

  /** Asks until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!isAborted(signal)) {
      try {
        await this.#store.count(prefixes.pods, { signal, timeoutMs: answerWithinMs })
        this.#answeredAtMs = this.#nowMs()
      } catch (error) {
        this.#why = error instanceof Error ? error.message : String(error)
      }
      await pause(everyMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
