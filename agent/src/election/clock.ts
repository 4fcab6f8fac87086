/** One moment, on both clocks of this machine. */
export interface Instant {
  /** Milliseconds since the machine started, or some other moment that is the same in every thread of the process. */
  readonly monotonicMs: number
  /** Milliseconds since 1970. It may be set back or forth at any time. */
  readonly wallMs: number
}

/** Where the time comes from: the system, or a test. */
export interface Clock {
  now(): Instant
}

/** The clocks of the machine. The monotonic one is the same in every thread: deadlines go from one to another. */
export const systemClock: Clock = {
  now: () => ({ monotonicMs: Number(process.hrtime.bigint()) / 1e6, wallMs: Date.now() }),
}

/**
 * Milliseconds between two moments, by the clock that says more. A machine that is suspended stops its monotonic
 * clock, and somebody may set the wall clock back: whoever must have stopped in time believes the longer one.
 *
 * Not guaranteed: where neither clock advances, as in a paused virtual machine, nothing that is measured here sees it.
 */
export function elapsedMs(from: Instant, to: Instant): number {
  return Math.max(monotonicElapsedMs(from, to), to.wallMs - from.wallMs)
}

/** Milliseconds between two moments, by the clock that nobody sets. */
export function monotonicElapsedMs(from: Instant, to: Instant): number {
  return to.monotonicMs - from.monotonicMs
}
