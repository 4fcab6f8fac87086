/**
 * The election of one leader among the replicas of an agent, by a Lease of Kubernetes.
 *
 * Where to read on: `state.ts` is what a replica knows, is told and wants done; `machine.ts` one step of it, which
 * calls `learn.ts` (what a Lease that was read means), `reign.ts` (from acquiring it to giving it back), `compete.ts`
 * (when a standby may take it) and `requests.ts` (the one request at a time). All of that is pure. `elector.ts` joins
 * it to connections, in a thread of its own; `lease-election.ts` runs the leader's work in the main thread, and
 * `reign-watchdog.ts` ends it from there where the elector's thread does not.
 *
 * Guaranteed, while clocks drift by less than a percent, no process is paused without any clock of it advancing, at
 * least one of its two threads gets CPU, and nobody forges evidence of death or edits the holder by hand:
 * - at most one replica's work runs at a time: a leader has stopped, or was killed, before another may begin;
 * - epochs strictly increase, also over a deleted Lease, within one history of etcd;
 * - an outage of the API server changes neither leader nor epoch, however long it lasts;
 * - while a majority of what is needed works, somebody leads within the bounds of `contract/election.ts`.
 *
 * Not guaranteed by any election, ours included, and therefore fenced where effects land (`kubernetes/fenced-write.ts`
 * and the admission fence; the control plane's epochs):
 * - that a request which a leader has sent does not arrive after the next one leads. The faster the takeover, the
 *   likelier that is: evidence of death lets the next leader begin while the last bytes of the former are on their way;
 * - that the work of a process of which neither thread gets any CPU has ended before another leads: it stands still, and
 *   ends when a thread goes on. One thread that hangs or gets none is no such case: the other one ends the work or the
 *   process in time;
 * - that there are not two who believe to lead after a virtual machine was paused with all its clocks, after forged
 *   evidence of death, or after a hand edit. The former leader sees the Lease within one renew period and ends; where
 *   it is cut off from the API server just then, it ends within one renew deadline;
 * - anything, after etcd was restored from a backup: epochs of before may be given out again. Who remembers a higher
 *   one refuses to lead (fails closed); who was started since cannot know, and the control plane reports the conflict;
 * - a first leader's safety when the Lease was deleted and a replica starts that has never seen it: it may create it
 *   while the former holder still believes to lead, for at most one renew period, or one renew deadline where that
 *   holder is cut off, and hand it over in this time. Likewise when the Lease is deleted twice within two lease
 *   durations, and a replica was cut off in between.
 *
 * @see https://pkg.go.dev/k8s.io/client-go/tools/leaderelection for the algorithm that most others use
 */
import type { EventEmitter } from 'node:events'
import type { LinkState, TakeoverReason } from '@regent/contract/takeover.ts'
import type { EndReason, Leadership } from './leadership.ts'

/** What a replica is in the election. */
export type Role =
  /** It has not read the Lease yet. */
  | 'starting'
  | 'standby'
  | 'leading'
  /** It holds the Lease, but could not renew it in time: no work runs. */
  | 'suspended'
  /** It leads and hands over. */
  | 'draining'
  | 'stopped'

/** How the election stands, for health, metrics and people. */
export interface ElectionStatus {
  readonly role: Role
  /** Whether the Lease, or its absence, was read at least once. */
  readonly synced: boolean
  /** Whether every work is prepared. */
  readonly prepared: boolean
  /** Whether a person told this replica to stand aside. */
  readonly cordoned: boolean
  /** What keeps this replica from competing as it should, in words that say what to do; absent when nothing does. */
  readonly obstacle?: string
  /** How the last request to the API server failed; absent once one is answered. It is no obstacle: it passes. */
  readonly unreachable?: string
  /** Holder of the Lease as this replica saw it last; absent when there is none. */
  readonly holder?: string
  /** Epoch of the leadership that this replica holds or saw last. */
  readonly epoch?: bigint
}

/** What happens in an election, by the name of its event. */
export interface ElectionEvents {
  /** Something in the status changed. */
  status: [ElectionStatus]
  /** This replica begins to lead, or leads on after a suspension, then with the same epoch. */
  leading: [Leadership, { readonly resumed: boolean }]
  /** This replica leads no more and no work of it runs. */
  ended: [{ readonly epoch: bigint; readonly reason: EndReason | 'released' | TakeoverReason }]
  /** A renewal was acknowledged after so many seconds. */
  renewed: [seconds: number]
  /** A renewal needed another read of the Lease. */
  slowPath: []
  /** A watch was opened again: for which reason, and in whose words. */
  watchRestarted: [watch: 'lease' | 'pods', reason: string, why?: string]
  /** A claim of death was judged: what it rests on, and whether it was confirmed. */
  evidence: [{ readonly by: 'peer' | 'pod'; readonly confirmed: boolean; readonly why: string }]
  /** The main thread did not answer for so many seconds. */
  stalled: [seconds: number]
  /** Worth a line in the log; `event` is a stable name. */
  notice: [
    level: 'debug' | 'info' | 'warn' | 'error',
    event: string,
    fields: Readonly<Record<string, string | number | boolean>>,
  ]
}

/** An election in which this replica takes part. */
export interface Election extends EventEmitter<ElectionEvents> {
  /** Begins to prepare the work and to compete. */
  start(): void
  readonly status: ElectionStatus
  /** Seconds since the elector's thread gave its last sign of life. */
  readonly silentSeconds: number
  /** Seconds until this leader must step down if no further renewal is acknowledged; 0 when it does not lead. */
  readonly remainingSeconds: number
  /**
   * Hands over: drains while still renewing, gives the Lease back when no work runs, and competes no more.
   * Resolves with whether it is provably over; when it is not, the Lease was not given back, and the process must
   * end without waiting.
   */
  stop(): Promise<boolean>
  /**
   * Gives the Lease to a standby that is ready and reaches the control plane, if there is one, and stands aside for a
   * while. Without one nothing happens: giving up leadership would only cost more of it.
   */
  yield(why: string): void
  /**
   * Says whether this replica's own probe of the control plane succeeds: as a standby it tells the leader. It does not
   * change who may take the Lease, only to whom a leader yields.
   */
  reach(controlPlane: boolean): void
  /** Says how this leader stands with the control plane: it is written on the Lease, for people. */
  link(state: LinkState): void
  /**
   * Whether this replica holds the Lease, by an answer of the API server to a question asked after this call: whoever
   * was told that another leads asks before it insists. It resolves when that is known, which takes as long as the API
   * server is away, and with `false` once the leadership is over.
   */
  verify(): Promise<boolean>
}
