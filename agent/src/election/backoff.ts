/** How long to wait before something is tried again. */
export interface BackoffOptions {
  /** Longest wait after the second failure in a row, in milliseconds; it doubles from there. */
  readonly firstMs: number
  /** Longest wait of all, in milliseconds. */
  readonly longestMs: number
  /** What lasted for so long, in milliseconds, was good: the next failure counts as the first. */
  readonly stableMs: number
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
}

/** Watches: at once, then 50 ms to 2 s, as new again after 10 s. */
export const rewatchBackoff = { firstMs: 50, longestMs: 2000, stableMs: 10_000 } as const
/** Connections to the leader: at once, then 50 ms to 1 s, as new again after 10 s. */
export const reconnectBackoff = { firstMs: 50, longestMs: 1000, stableMs: 10_000 } as const
/** The port for peers: at once, then 50 ms to 10 s. A port that is taken is freed by hand, or never. */
export const listenBackoff = { firstMs: 50, longestMs: 10_000, stableMs: 10_000 } as const

/**
 * Tries again at once the first time, then after a random share of a limit that doubles ("full jitter"), so that
 * many who lost the same server do not come back together. It owns no timer: times are passed to it.
 */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: () => number
  #failures = 0
  #beganMs: number | undefined

  constructor(options: BackoffOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** What is tried has begun to work: a watch was answered, a connection stands. */
  began(nowMs: number): void {
    this.#beganMs ??= nowMs
  }

  /** It failed or ended. @returns milliseconds to wait before the next attempt */
  nextDelayMs(nowMs: number): number {
    const { firstMs, longestMs, stableMs } = this.#options
    if (this.#beganMs !== undefined && nowMs - this.#beganMs >= stableMs) this.#failures = 0
    this.#beganMs = undefined
    const failures = this.#failures
    this.#failures = Math.min(failures + 1, 30)
    return failures === 0 ? 0 : this.#random() * Math.min(longestMs, firstMs * 2 ** (failures - 1))
  }

  /** Forgets every failure. */
  reset(): void {
    this.#failures = 0
    this.#beganMs = undefined
  }
}
