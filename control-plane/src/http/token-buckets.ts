/** How many requests somebody may make. */
export interface Rate {
  readonly perSecond: number
  /** So many at once, after a pause. */
  readonly burst: number
}

export interface TokenBucketsOptions extends Rate {
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** Callers that are remembered; the one that was not seen longest is forgotten first. @default 10 000 */
  readonly mostCallers?: number
}

interface Bucket {
  readonly tokens: number
  readonly at: number
}

/**
 * Counts what callers ask for, each by a bucket that holds a burst and is filled again at a steady rate.
 *
 * Not guaranteed: anything across pods, each of which counts for itself; and with more callers than are remembered,
 * who was forgotten begins with a full bucket.
 */
export class TokenBuckets {
  readonly #options: TokenBucketsOptions
  /** From the one that was not seen longest. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(options: TokenBucketsOptions) {
    this.#options = options
  }

  /** Takes one token. Returns 0 where there was one, else after how many seconds there will be. */
  take(caller: string): number {
    const { tokens, at } = this.#look(caller)
    const left = tokens < 1 ? tokens : tokens - 1
    this.#keep(caller, { tokens: left, at })
    return tokens < 1 ? Math.max(1, Math.ceil((1 - tokens) / this.#options.perSecond)) : 0
  }

  /** Whether there is none to take. */
  isEmpty(caller: string): boolean {
    return this.#look(caller).tokens < 1
  }

  #look(caller: string): Bucket {
    const { now, perSecond, burst } = this.#options
    const at = now()
    const known = this.#buckets.get(caller)
    const tokens = known === undefined ? burst : Math.min(burst, known.tokens + ((at - known.at) / 1000) * perSecond)
    return { tokens, at }
  }

  #keep(caller: string, bucket: Bucket): void {
    this.#buckets.delete(caller)
    this.#buckets.set(caller, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > (this.#options.mostCallers ?? 10_000) && oldest !== undefined) this.#buckets.delete(oldest)
  }
}
