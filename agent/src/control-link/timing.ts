import { pingIntervalSeconds } from '@regent/contract/messages.ts'

/** Times of the link, all in milliseconds. */
export interface LinkTiming {
  /** Longest that a connection may take until its upgrade is answered. */
  readonly connectMs: number
  /** Longest that a registration may take to be answered. */
  readonly registerMs: number
  /** How often each side asks whether the other is there. */
  readonly pingMs: number
  /** Longest wait after the second failure in a row; the first retry is at once, and it doubles from here. */
  readonly firstRetryMs: number
  /** Longest wait of a leader that is new, and has not been registered. */
  readonly newLongestMs: number
  /** A leader is new for so long. */
  readonly newForMs: number
  /** Longest wait of a leader that was registered before. */
  readonly steadyLongestMs: number
  /** A connection that lasted for so long was good: the next failure counts as the first. */
  readonly stableMs: number
  /** Wait where a person must do something first, plus or minus half. */
  readonly refusedMs: number
  /** A leader that is not registered for so long looks for somebody who would do better, once it has failed again. */
  readonly patienceMs: number
  /** Longest wait for that attempt. */
  readonly hurryMs: number
  /** Longest that a closing handshake may take. */
  readonly closeMs: number
  /** A leader that hands over waits for so long for a connection on which to send its last results. */
  readonly lastConnectionMs: number
  /** How often a standby probes the control plane, plus or minus a quarter. */
  readonly probeMs: number
  /** Longest that one probe may take. */
  readonly probeTimeoutMs: number
}

/** The figures of the design. */
export const defaultTiming: LinkTiming = {
  connectMs: 5000,
  registerMs: 10_000,
  pingMs: pingIntervalSeconds * 1000,
  firstRetryMs: 100,
  newLongestMs: 5000,
  newForMs: 60_000,
  steadyLongestMs: 30_000,
  stableMs: 10_000,
  refusedMs: 60_000,
  patienceMs: 15_000,
  hurryMs: 1000,
  closeMs: 1000,
  lastConnectionMs: 3000,
  probeMs: 10_000,
  probeTimeoutMs: 3000,
}

/** A link that neither began nor ended an attempt for so long although it should have, in milliseconds, has stalled. */
export function stalledAfterMs({ refusedMs, steadyLongestMs }: LinkTiming): number {
  // A refusal waits up to one and a half times its figure.
  return 3 * Math.max(1.5 * refusedMs, steadyLongestMs)
}
