import type { TakeoverReason } from '@regent/contract/takeover.ts'
import type { Check } from '@regent/runtime/health/check.ts'
import type { Election } from './election.ts'

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

/**
 * Work that only the leader does. Everything that must not happen twice is behind this interface.
 *
 * Not guaranteed: that `lead` of a former leader has returned before `lead` begins elsewhere when the machine was
 * paused and no clock advanced, or when evidence of death was forged. Effects must carry the epoch, or go through
 * the fenced writes, so that what comes late is refused.
 */
export interface LeaderWork {
  /** One word for logs and metrics. */
  readonly name: string
  /**
   * What a hot standby has ready: informers synced, connections prepared. Called once, before the replica competes
   * for the Lease; it may be called while another leads, so it has no effects. It resolves when it is ready and is
   * called again, with backoff, when it rejects.
   */
  prepare?(signal: AbortSignal): Promise<void>
  /**
   * Leads until `leadership.signal` is aborted, or until everything is finished after `leadership.draining` was. It
   * resolves only when no effect can follow. When it ends before it was told to, by resolving or by rejecting, the
   * replica gives the Lease back and stands aside for a while: another may do better.
   */
  lead(leadership: Leadership): Promise<void>
  /** Called once, before anything else, with the election that this work is a part of. */
  observe?(election: Election): void
  /** What the health pages say of this work, looked at for each request: see `health/checks.ts` for what may fail. */
  checks?(): { readonly liveness: readonly Check[]; readonly readiness: readonly Check[] }
}
