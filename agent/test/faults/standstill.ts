/** How often the harness looks whether it stands still, in milliseconds. */
const lookEveryMs = 20
/** What lies further apart than this was a standstill, in milliseconds: a busy event loop is none. */
const noticedMs = 100

/**
 * Measures from now on for how long this process stands still. A machine that gives the harness no CPU may give none to
 * the replicas either, which no upper bound on them can hold against them.
 */
export class Standstill {
  readonly #look: NodeJS.Timeout
  #lastMs = performance.now()
  #totalMs = 0

  constructor() {
    this.#look = setInterval(() => this.#count(), lookEveryMs).unref()
  }

  /** Ends the measurement. Returns for how long it stood still, in milliseconds. */
  stop(): number {
    clearInterval(this.#look)
    this.#count()
    return this.#totalMs
  }

  #count(): void {
    const nowMs = performance.now()
    const apartMs = nowMs - this.#lastMs
    if (apartMs > noticedMs) this.#totalMs += apartMs
    this.#lastMs = nowMs
  }
}
