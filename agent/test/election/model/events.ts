/** A random source of its own per run, so that a seed tells the whole run (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The simulated time, in milliseconds, and everything that is still to happen. */
export class Events {
  nowMs = 0
  #order = 0
  readonly #heap: { atMs: number; order: number; run: () => void }[] = []

  at(atMs: number, run: () => void): void {
    this.#order += 1
    this.#heap.push({ atMs: Math.max(atMs, this.nowMs), order: this.#order, run })
    let child = this.#heap.length - 1
    while (child > 0 && this.#isBefore(child, (child - 1) >> 1)) {
      this.#swap(child, (child - 1) >> 1)
      child = (child - 1) >> 1
    }
  }

  after(ms: number, run: () => void): void {
    this.at(this.nowMs + ms, run)
  }

  /** Runs everything up to the end, which is at most `most` events away. */
  runUntil(endMs: number, most: number): void {
    for (let count = 0; this.#heap[0] && this.#heap[0].atMs <= endMs; count += 1) {
      if (count >= most) throw new Error(`more than ${most} events: the machine does not come to rest`)
      const event = this.#pop()
      this.nowMs = event.atMs
      event.run()
    }
    this.nowMs = endMs
  }

  /** Runs the next event, unless it is after the end. @returns whether there was one */
  runNext(endMs: number): boolean {
    if (this.#heap[0] === undefined || this.#heap[0].atMs > endMs) {
      this.nowMs = Math.max(this.nowMs, endMs)
      return false
    }
    const event = this.#pop()
    this.nowMs = event.atMs
    event.run()
    return true
  }

  #pop(): { atMs: number; run: () => void } {
    const [first] = this.#heap
    const last = this.#heap.pop()
    if (!first || !last) throw new Error('nothing is left to happen')
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      let parent = 0
      for (;;) {
        let least = parent
        for (const child of [2 * parent + 1, 2 * parent + 2]) {
          if (child < this.#heap.length && this.#isBefore(child, least)) least = child
        }
        if (least === parent) break
        this.#swap(parent, least)
        parent = least
      }
    }
    return first
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    return a !== undefined && b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order))
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a && b) [this.#heap[one], this.#heap[other]] = [b, a]
  }
}
