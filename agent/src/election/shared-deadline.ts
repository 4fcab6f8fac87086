import type { Instant } from './clock.ts'

/** Where each number stands in the shared memory. */
const slots = { ticket: 0, untilMonotonic: 1, untilWall: 2, mainBeat: 3, electorBeat: 4 } as const

/**
 * What the two threads share: which reign may act, until when by both clocks, and when each thread gave its last sign
 * of life. Never a yes or no that somebody would have to take back: a thread that is paused reads, when it goes on,
 * that its time is over.
 *
 * Times are whole microseconds, rounded down, so that nothing lasts longer than was granted.
 */
export class SharedDeadline {
  readonly #numbers: BigInt64Array

  /** @param buffer the other thread's {@link buffer}; a new one when left out */
  constructor(buffer = new SharedArrayBuffer(8 * Object.keys(slots).length)) {
    this.#numbers = new BigInt64Array(buffer)
  }

  get buffer(): SharedArrayBuffer {
    return this.#numbers.buffer as SharedArrayBuffer
  }

  /** From now on the reign of this ticket may act, until `extend`ed time. 0 is nobody's ticket. */
  grant(ticket: number): void {
    this.#store('ticket', BigInt(ticket))
  }

  /** Until when whoever holds the ticket may act. */
  extend(until: Instant): void {
    this.#store('untilWall', microseconds(until.wallMs))
    this.#store('untilMonotonic', microseconds(until.monotonicMs))
  }

  forbid(): void {
    this.#store('ticket', 0n)
    this.#store('untilMonotonic', 0n)
  }

  /** Whether the reign of this ticket may act now. A ticket of 0 never may, whatever was extended while nobody led. */
  mayAct(ticket: number, now: Instant): boolean {
    if (ticket === 0) return false
    const isInTime =
      microseconds(now.monotonicMs) < this.#load('untilMonotonic') && microseconds(now.wallMs) < this.#load('untilWall')
    // Read last: a deadline of the reign after this one must not let this one pass.
    return isInTime && this.#load('ticket') === BigInt(ticket)
  }

  /** Milliseconds until whoever leads must step down, if no renewal follows; 0 when nobody does. */
  remainingMs(now: Instant): number {
    if (this.#load('ticket') === 0n) return 0
    const byMonotonic = Number(this.#load('untilMonotonic')) / 1000 - now.monotonicMs
    const byWall = Number(this.#load('untilWall')) / 1000 - now.wallMs
    return Math.max(0, Math.min(byMonotonic, byWall))
  }

  /**
   * Milliseconds since the reign of this ticket had to step down, by the clock that says more; 0 while it may act, and
   * where it was forbidden or is not the newest.
   */
  overdueMs(ticket: number, now: Instant): number {
    if (ticket === 0 || this.#load('ticket') !== BigInt(ticket)) return 0
    const byMonotonic = now.monotonicMs - Number(this.#load('untilMonotonic')) / 1000
    const byWall = now.wallMs - Number(this.#load('untilWall')) / 1000
    return Math.max(0, byMonotonic, byWall)
  }

  /** A sign of life of a thread. */
  beat(thread: 'main' | 'elector', now: Instant): void {
    this.#store(`${thread}Beat`, microseconds(now.monotonicMs))
  }

  /** Milliseconds since a thread's last sign of life. */
  silentMs(thread: 'main' | 'elector', now: Instant): number {
    return Math.max(0, now.monotonicMs - Number(this.#load(`${thread}Beat`)) / 1000)
  }

  #store(slot: keyof typeof slots, value: bigint): void {
    Atomics.store(this.#numbers, slots[slot], value)
  }

  #load(slot: keyof typeof slots): bigint {
    return Atomics.load(this.#numbers, slots[slot])
  }
}

function microseconds(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds * 1000))
}
