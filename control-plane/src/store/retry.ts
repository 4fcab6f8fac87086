import { setTimeout as delay } from 'node:timers/promises'

/** How long to wait after failures in a row: nothing, then a random share of a limit that doubles up to 2 s. */
export class Retry {
  #failures = 0

  /** It works again: the next failure counts as the first. */
  succeeded(): void {
    this.#failures = 0
  }

  /** Waits, or until the signal is aborted. Never throws. */
  async wait(signal: AbortSignal): Promise<void> {
    const failures = this.#failures
    this.#failures = Math.min(failures + 1, 20)
    const waitMs = failures === 0 ? 0 : Math.random() * Math.min(2000, 50 * 2 ** failures)
    await delay(waitMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Whether the signal is aborted by now: a question that the compiler does not take for answered before an `await`. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}
