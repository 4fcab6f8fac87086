import { type EndReason, type Leadership, NotLeading } from './leadership.ts'

/**
 * The lineage of epochs that are no resourceVersions but times. It differs from every UID, so that a control plane
 * never compares the two kinds: a replica that ran alone and is then elected is reported as a conflict of fences,
 * which a person resolves, instead of being refused for ever because a clock counts higher than etcd.
 * It is the same in every cluster, as clocks are.
 */
export const soleLineage = 'sole-replica'

/** One reign of a replica that has no rivals: its leadership, and what ends it. */
export class SoleReign implements Leadership {
  readonly epoch: bigint
  readonly lineage = soleLineage
  readonly holder: string
  readonly reason: Leadership['reason']
  readonly since: Date
  readonly phases = { detected: 0, acquired: 0 }
  readonly draining: AbortSignal
  readonly signal: AbortSignal
  readonly #drain = new AbortController()
  readonly #end = new AbortController()

  constructor(epoch: bigint, holder: string, reason: Leadership['reason'], since: Date) {
    this.epoch = epoch
    this.holder = holder
    this.reason = reason
    this.since = since
    this.draining = this.#drain.signal
    this.signal = this.#end.signal
  }

  assert(): void {
    if (!this.signal.aborted) return
    throw new NotLeading(`the reign with epoch ${this.epoch.toString()} is over: ${String(this.signal.reason)}`)
  }

  drain(): void {
    this.#drain.abort()
  }

  end(reason: EndReason): void {
    this.#end.abort(reason)
  }
}
