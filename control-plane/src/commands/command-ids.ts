import { randomUUID } from 'node:crypto'

/** So many base-36 digits hold the time until the year 5188, and the number of ids of one millisecond. */
const timeDigits = 9
const sequenceDigits = 3

/**
 * Ids of commands: unique, not to be guessed, and in the order in which one process made them, so that a list by id is
 * nearly one by age. Between processes their clocks decide; nothing but the order of lists depends on it.
 */
export class CommandIds {
  readonly #wallMs: () => number
  #lastMs = 0
  #sequence = 0

  /** @param wallMs milliseconds since 1970 */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs
  }

  next(): string {
    const nowMs = Math.floor(this.#wallMs())
    // A clock that was set back, and more ids than a millisecond has, go on from the last one.
    if (nowMs > this.#lastMs) [this.#lastMs, this.#sequence] = [nowMs, 0]
    else if (this.#sequence === 36 ** sequenceDigits - 1) [this.#lastMs, this.#sequence] = [this.#lastMs + 1, 0]
    else this.#sequence += 1
    const time = this.#lastMs.toString(36).padStart(timeDigits, '0')
    const sequence = this.#sequence.toString(36).padStart(sequenceDigits, '0')
    return `${time}${sequence}${randomDigits()}`
  }
}

/** Twenty random hexadecimal digits: those of a UUID that do not say its version, because Node draws many at once. */
function randomDigits(): string {
  const uuid = randomUUID()
  return uuid.slice(0, 8) + uuid.slice(-12)
}
