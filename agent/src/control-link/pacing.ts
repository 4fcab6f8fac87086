import { Backoff } from '../election/backoff.ts'
import type { Ending, Verdict } from './attempt-failed.ts'
import type { LinkTiming } from './timing.ts'

/**
 * When a link that has failed is tried again. A new leader is quick, because a takeover is over only once it is
 * registered; later many who lost the same control plane must not come back together. It owns no timer: times are
 * passed to it.
 */
export class Pacing {
  readonly #timing: LinkTiming
  readonly #random: () => number
  readonly #beganMs: number
  #backoff: Backoff
  #isSteady = false

  constructor(timing: LinkTiming, random: () => number, nowMs: number) {
    this.#timing = timing
    this.#random = random
    this.#beganMs = nowMs
    this.#backoff = this.#newBackoff(timing.newLongestMs)
  }

  /** A registration stands. */
  began(nowMs: number): void {
    this.#become()
    this.#backoff.began(nowMs)
  }

  /** It is to be replaced by another. @returns milliseconds to wait before that is tried */
  again(nowMs: number): number {
    return this.#backoff.nextDelayMs(nowMs)
  }

  /** It failed or ended. @returns milliseconds to wait before the next attempt */
  failed({ retryAfterMs = 0 }: Ending, { kind }: Verdict, nowMs: number): number {
    const { newForMs, refusedMs } = this.#timing
    if (nowMs - this.#beganMs >= newForMs) this.#become()
    const refused = kind === 'refused' ? refusedMs * (0.5 + this.#random()) : 0
    return Math.max(this.#backoff.nextDelayMs(nowMs), retryAfterMs, refused)
  }

  /** From now on it holds up no takeover, and may wait longer. */
  #become(): void {
    if (this.#isSteady) return
    this.#isSteady = true
    this.#backoff = this.#newBackoff(this.#timing.steadyLongestMs)
  }

  #newBackoff(longestMs: number): Backoff {
    const { firstRetryMs: firstMs, stableMs } = this.#timing
    return new Backoff({ firstMs, longestMs, stableMs, random: this.#random })
  }
}
