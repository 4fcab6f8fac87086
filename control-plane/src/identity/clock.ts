import { performance } from 'node:perf_hooks'

/** Both clocks of the machine, in milliseconds. */
export interface Clock {
  /** Time of day: what tokens and records are dated by. It may jump. */
  wallMs(): number
  /** Time that only goes forward: what intervals are measured by. */
  monotonicMs(): number
}

export const systemClock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }
