import type { TakeoverReason } from '@regent/contract/takeover.ts'

/** One reign: from the confirmed write that acquired the Lease until no effect of it can follow. */
export interface Leadership {
  /** Grows with every acquisition, across deletion of the Lease too. Compare it within one {@link lineage} only. */
  readonly epoch: bigint
  /** UID of the `kube-system` namespace: the one name of a cluster that nobody chooses. */
  readonly lineage: string
  /** Identity of this process: `podName_podUID_bootUUID`. */
  readonly holder: string
  /** Why the leadership before ended. */
  readonly reason: TakeoverReason
  /** When it was acquired, by the local clock. */
  readonly since: Date
  /** How long the takeover took since its first sign, in milliseconds. */
  readonly phases: { readonly detected: number; readonly acquired: number }
  /** Aborted when this leader is to hand over: begin nothing new, finish what runs. It still leads, and renews. */
  readonly draining: AbortSignal
  /**
   * Aborted when leading is over, its reason an {@link EndReason}: every effect must have ended within the abort
   * budget, after which the process is killed. After `suspended` the same epoch may be led again.
   */
  readonly signal: AbortSignal
  /**
   * Call it synchronously before every effect and every send: it reads both clocks and the shared epoch itself, so
   * that it holds even where the signal was not delivered yet, after a pause of the process for instance.
   *
   * @throws NotLeading when this reign is over, suspended, or cannot be proven to last
   */
  assert(): void
}

/** Why `lead` was told to end. */
export type EndReason =
  /** Renewals were not acknowledged in time. If the Lease is still ours once the API server is back, we go on. */
  | 'suspended'
  /** The Lease is somebody else's, was deleted or edited: this epoch never comes back. */
  | 'lost'
  /** The drain budget of a hand-over is over. */
  | 'drained'

/** Thrown by {@link Leadership.assert}: the effect must not happen. */
export class NotLeading extends Error {
  override readonly name = 'NotLeading'
}
