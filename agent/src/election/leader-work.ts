import type { Check } from '@regent/runtime/health/check.ts'
import type { Election } from './election.ts'
import type { Leadership } from './leadership.ts'

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
