import { type Clock, elapsedMs, type Instant, systemClock } from './clock.ts'
import { type EndReason, type Leadership, NotLeading } from './leadership.ts'
import type { SharedDeadline } from './shared-deadline.ts'
import type { Reign } from './state.ts'

export interface LeaseReignOptions {
  readonly reign: Reign
  readonly lineage: string
  readonly holder: string
  /** Which of the reigns of this process it is. After a suspension the same epoch is led with another one. */
  readonly ticket: number
  readonly deadline: SharedDeadline
  /** @default the system's */
  readonly clock?: Clock
}

/** A leadership that rests on a Lease, as the main thread sees it. */
export class LeaseReign implements Leadership {
  readonly epoch: bigint
  readonly lineage: string
  readonly holder: string
  readonly reason: Leadership['reason']
  readonly since: Date
  readonly phases: Leadership['phases']
  readonly draining: AbortSignal
  readonly signal: AbortSignal
  readonly #ticket: number
  readonly #deadline: SharedDeadline
  readonly #clock: Clock
  readonly #drain = new AbortController()
  readonly #end = new AbortController()
  #ended: { readonly reason: EndReason; readonly at: Instant } | undefined

  constructor({ reign, lineage, holder, ticket, deadline, clock = systemClock }: LeaseReignOptions) {
    this.epoch = reign.epoch
    this.lineage = lineage
    this.holder = holder
    this.reason = reign.reason
    this.since = new Date(reign.since)
    this.phases = reign.phases
    this.draining = this.#drain.signal
    this.signal = this.#end.signal
    this.#ticket = ticket
    this.#deadline = deadline
    this.#clock = clock
  }

  assert(): void {
    if (this.signal.aborted) {
      throw new NotLeading(`the reign with epoch ${this.epoch} is over: ${String(this.signal.reason)}`)
    }
    if (!this.mayAct) {
      throw new NotLeading(
        `the reign with epoch ${this.epoch} cannot be proven to last: its Lease was not renewed in time`,
      )
    }
  }

  /** Whether its Lease was renewed in time, whatever it was told. */
  get mayAct(): boolean {
    return this.#deadline.mayAct(this.#ticket, this.#clock.now())
  }

  /** Milliseconds since its time ran out or it was ended, whichever came first; 0 while it lasts. */
  get overdueMs(): number {
    const now = this.#clock.now()
    const sinceEndMs = this.#ended ? elapsedMs(this.#ended.at, now) : 0
    return Math.max(sinceEndMs, this.#deadline.overdueMs(this.#ticket, now))
  }

  /** Why it ended; absent while it lasts. */
  get endReason(): EndReason | undefined {
    return this.#ended?.reason
  }

  drain(): void {
    this.#drain.abort()
  }

  end(reason: EndReason): void {
    this.#ended ??= { reason, at: this.#clock.now() }
    this.#end.abort(reason)
  }
}
