/** One who waits for an answer. */
export interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer | PromiseLike<Answer>) => void
  readonly reject: (error: unknown) => void
}

export interface BatchesOptions<Item, Answer> {
  /** How many of the first that wait are done next, together; at least one. */
  readonly together: (waiting: readonly Waiting<Item, Answer>[]) => number
  /** Does them, and answers each. Where it throws, that is the answer of all that it has not answered. */
  readonly run: (batch: readonly Waiting<Item, Answer>[]) => Promise<void>
  /** Shortest time from the begin of one batch to that of the next, in milliseconds. @default 0 */
  readonly apartMs?: number
}

/**
 * Does one batch after another: the first who comes at once, and together what comes meanwhile. So the rate is bounded
 * by the size of batches and not by their number, and who comes alone waits for nobody.
 */
export class Batches<Item, Answer> {
  readonly #options: BatchesOptions<Item, Answer>
  readonly #waiting: Waiting<Item, Answer>[] = []
  #isRunning = false
  #begunMs = -Infinity

  constructor(options: BatchesOptions<Item, Answer>) {
    this.#options = options
  }

  /** How many wait to be begun. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return !this.#isRunning && this.#waiting.length === 0
  }

  async add(item: Item): Promise<Answer> {
    return await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#isRunning) void this.#runAll()
    })
  }

  async #runAll(): Promise<void> {
    const { together, run, apartMs = 0 } = this.#options
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const leftMs = this.#begunMs + apartMs - performance.now()
      if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs))
      this.#begunMs = performance.now()
      const batch = this.#waiting.splice(0, together(this.#waiting))
      try {
        await run(batch)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isRunning = false
  }
}
