/** Longest time that a timer of Node can wait, in milliseconds. */
const longestMs = 2 ** 31 - 1

/** A bell: whoever waits hears it, and so does whoever comes to wait after it was rung. */
export class WakeUp {
  #rung = false
  #wake: (() => void) | undefined

  wake(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Waits until it is rung, the time has passed, or the signal is aborted. For one waiter at a time. */
  async wait(withinMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted && withinMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.min(withinMs, longestMs))
        function done(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        signal.addEventListener('abort', done, { once: true })
        this.#wake = done
      })
      this.#wake = undefined
    }
    this.#rung = false
  }
}
