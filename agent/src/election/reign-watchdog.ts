import { type Clock, systemClock } from './clock.ts'
import type { LeaseReign } from './lease-reign.ts'
import type { Kill } from './process-killer.ts'
import type { SharedDeadline } from './shared-deadline.ts'

/** An elector's thread that is silent for longer than this gets no CPU or hangs, in milliseconds. */
const silentAfterMs = 500

export interface ReignWatchdogOptions {
  readonly deadline: SharedDeadline
  readonly abortBudgetSeconds: number
  readonly kill: Kill
  /** Told that a reign was ended because the elector's thread is silent: the epoch, and for how long it is. */
  readonly onEnded: (epoch: bigint, silentSeconds: number) => void
  /** @default the system's */
  readonly clock?: Clock
}

/**
 * Ends a reign from the main thread where the elector's thread, which does that otherwise, gets no CPU or hangs: at the
 * renew deadline its work is told to end, and one abort budget later the process is killed.
 *
 * Not guaranteed: anything while the main thread gets no CPU either. Neither thread ends anything then, and what is on
 * its way from this process is for the fences to refuse.
 */
export class ReignWatchdog {
  readonly #options: ReignWatchdogOptions
  readonly #clock: Clock

  constructor(options: ReignWatchdogOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** To be called again and again while the reign's work runs. */
  look(reign: LeaseReign): void {
    const { deadline, abortBudgetSeconds, kill, onEnded } = this.#options
    const silentMs = deadline.silentMs('elector', this.#clock.now())
    const isSilent = silentMs > silentAfterMs
    if (reign.signal.aborted) {
      if (!isSilent || reign.overdueMs < abortBudgetSeconds * 1000) return
      kill(`the work of epoch ${reign.epoch} did not end within its abort budget`, silentMs / 1000)
      return
    }
    // An elector that forbids says why as well, and is heard soon, unless it got no further.
    if (reign.mayAct || (reign.overdueMs === 0 && !isSilent)) return
    reign.end('suspended')
    if (isSilent) onEnded(reign.epoch, silentMs / 1000)
  }
}
