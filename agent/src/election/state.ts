import type { ElectionTiming } from '@regent/contract/election.ts'
import type { LinkState, Standby, Takeover, TakeoverReason } from '@regent/contract/takeover.ts'
import type { Instant } from './clock.ts'
import type { Identity } from './identity.ts'
import type { EndReason } from './leadership.ts'
import type { changedLease, LeaseRecord } from './lease-record.ts'

/** What a replica is told once, at its start. */
export interface MachineOptions {
  readonly identity: Identity
  readonly leaseName: string
  readonly leaseNamespace: string
  readonly timing: ElectionTiming
  /** How long a hand-over may take while this leader still renews. */
  readonly drainBudgetSeconds: number
  /** Written on the Lease for people. */
  readonly node: string
  /** Where this replica answers its standbys once it listens: `address:port`; absent where peers are not reachable. */
  readonly peer?: string
  /** False at the third start of a container within 5 min: then another replica gets its chance first. */
  readonly mayRetakeAtOnce: boolean
}

/** What the world tells the machine. Every request has exactly one answer. */
export type Input =
  | { readonly type: 'tick' }
  | { readonly type: 'answer'; readonly request: number; readonly answer: Answer }
  /** The watch delivered the Lease. */
  | { readonly type: 'event'; readonly lease: LeaseRecord }
  | { readonly type: 'deleted'; readonly version: bigint | undefined }
  /** The watch gave a sign of life without news. */
  | { readonly type: 'bookmark' }
  /** The watch cannot go on from where it was: what it missed must be read. */
  | { readonly type: 'missed' }
  /** The API server does not let this replica watch the Lease. */
  | { readonly type: 'watch-refused'; readonly why: string }
  | { readonly type: 'watch-accepted' }
  /** Whether every work is prepared. */
  | { readonly type: 'prepared'; readonly value: boolean }
  /**
   * The work of an epoch ended: no effect of it can follow. `reason` is why it was told to end, if it was: the main
   * thread tells it by itself where the machine could not in time.
   */
  | { readonly type: 'work-ended'; readonly epoch: bigint; readonly reason?: EndReason }
  /** Some of the work of an epoch ended without having been told to: the rest of it must end too. */
  | { readonly type: 'work-failed'; readonly epoch: bigint }
  /** The main thread does not answer, or answers again. */
  | { readonly type: 'stalled'; readonly value: boolean }
  /** The holder is dead. The first sign of it was seen at `sign`. */
  | { readonly type: 'death'; readonly holder: string; readonly by: 'peer' | 'pod'; readonly sign: Instant }
  /** The port for peers is open: from now on standbys can be told of it. */
  | { readonly type: 'listening' }
  | { readonly type: 'standbys'; readonly standbys: readonly Standby[] }
  | { readonly type: 'container'; readonly id: string }
  /** Whether this pod is of the newest revision, as far as anyone knows. */
  | { readonly type: 'revision'; readonly isNewest: boolean }
  /** How this leader stands with the control plane. */
  | { readonly type: 'link'; readonly state: LinkState }
  | { readonly type: 'yield' }
  /** Somebody claims that another leads: ask the API server, by renewing at once. */
  | { readonly type: 'verify' }
  | { readonly type: 'stop' }

/** What became of a request. */
export type Answer =
  | { readonly kind: 'lease'; readonly lease: LeaseRecord }
  /** There is no Lease of this name. */
  | { readonly kind: 'absent' }
  /** The resourceVersion is not the newest, or the Lease to create exists. */
  | { readonly kind: 'conflict' }
  /** The API server understood and does not want to: 401, 403, 422 … */
  | { readonly kind: 'refused'; readonly why: string }
  /** It may have taken effect or not: no answer in time, a broken connection, 429, 5xx. */
  | { readonly kind: 'failure'; readonly why: string }

/** What the machine wants done. */
export type Effect =
  | { readonly type: 'read'; readonly request: number }
  | {
      readonly type: 'write'
      readonly request: number
      readonly method: 'create' | 'update'
      readonly lease: ReturnType<typeof changedLease>
    }
  /** The watch is dead although its connection is not: open another. */
  | { readonly type: 'rewatch' }
  /** Until when work of this epoch may act, by both clocks; without an epoch, none may. */
  | { readonly type: 'allow'; readonly epoch: bigint; readonly until: Instant }
  | { readonly type: 'forbid' }
  | { readonly type: 'begin'; readonly reign: Reign; readonly resumed: boolean }
  | { readonly type: 'drain'; readonly epoch: bigint }
  | { readonly type: 'end'; readonly epoch: bigint; readonly reason: EndReason }
  /** Work did not end within its budget: nothing but the end of the process is left. */
  | { readonly type: 'kill'; readonly why: string }
  /** Look again whether the holder lives: it wrote after it was said to be dead. */
  | { readonly type: 'confirm-death' }
  | { readonly type: 'renewed'; readonly seconds: number }
  | { readonly type: 'slow-path' }
  | { readonly type: 'ended'; readonly epoch: bigint; readonly reason: Departure | EndReason }
  | { readonly type: 'stopped' }

/** A leadership, from the write that acquired the Lease. */
export interface Reign {
  readonly epoch: bigint
  readonly reason: TakeoverReason
  readonly since: number
  readonly phases: { readonly detected: number; readonly acquired: number }
}

/** Why a leader hands over. */
export type Departure = 'released' | 'step-down' | 'cordoned' | 'yielded' | 'work-failed'

/** The Lease is ours by a confirmed write. */
export interface Hold {
  readonly reign: Reign
  /** When it was acquired. */
  readonly sinceMs: number
  /** Start of the last request whose write is known to have landed. */
  readonly acknowledgedAt: Instant
  /** Whether work of this epoch has run before. */
  readonly begun: boolean
  /** Writes that may have landed: when each began, by the renewTime that it carried. */
  readonly unconfirmed: ReadonlyMap<string, Instant>
}

/** Work runs in the main thread. */
export interface Work {
  readonly epoch: bigint
  readonly draining: boolean
  /** Told to end: why, and from when on the process is killed. */
  readonly ending?: { readonly reason: EndReason; readonly killAt: Instant } | undefined
}

export type RequestKind = 'read' | 'take' | 'renew' | 'release'

export interface Request {
  readonly id: number
  readonly kind: RequestKind
  readonly startedAt: Instant
  /** Newest version that was known when it began: an answer older than that is of another history. */
  readonly knownVersion: bigint
  /** Of a take: what it rests on. */
  readonly claim?: Claim
  /** Of a write: the renewTime by which it is recognized. */
  readonly renewTime?: string
}

/** Why this replica may take the Lease now. */
export interface Claim {
  readonly reason: TakeoverReason
  /** When the first sign of the end of the leadership before was seen. */
  readonly signMs: number
  readonly detectedMs: number
  readonly from: string
}

/** Everything that a replica knows. Times in milliseconds of the monotonic clock where only a number stands. */
export interface State {
  readonly phase: 'new' | 'running' | 'stopped'
  /** Whether the Lease, or its absence, was read once. */
  readonly synced: boolean
  /** The Lease, if there is one. */
  readonly record?: LeaseRecord | undefined
  /** The last Lease that was seen, kept over its deletion: until when must a standby wait? */
  readonly last?: { readonly record: LeaseRecord; readonly seenMs: number; readonly jitterMs: number } | undefined
  /** Whether anybody was ever seen to hold the Lease. */
  readonly sawHolder: boolean
  readonly newestVersion: bigint
  /** Newest version that the watch itself delivered, and when it gave its last sign of life. */
  readonly watch: { readonly version: bigint; readonly heardMs: number }
  /** The API server failed us, so the incumbent may be failed by it too. */
  readonly outage: boolean
  /** After an outage the incumbent may come back until then. */
  readonly holdOffMs: number
  readonly failures: number
  readonly nextReadMs: number
  readonly wantsRead: boolean
  /** When the last request began that the API server answered. */
  readonly answeredMs: number
  readonly nextRenewMs: number
  readonly nextReleaseMs: number
  readonly request?: Request | undefined
  readonly requests: number
  readonly hold?: Hold | undefined
  readonly work?: Work | undefined
  /** This leader hands over. */
  readonly leaving?: { readonly why: Departure; readonly drainUntilMs: number } | undefined
  readonly stopping: boolean
  readonly prepared: boolean
  readonly stalled: boolean
  readonly isNewestRevision: boolean
  /** Stands aside until then, for others or because it is of no use to try again now; the next time twice as long. */
  readonly aside: { readonly untilMs: number; readonly seconds: number; readonly forOthers: boolean }
  /** Whether standbys can connect to this replica. */
  readonly listening: boolean
  readonly standbys: readonly Standby[]
  readonly takeovers: readonly Takeover[]
  readonly container?: string | undefined
  readonly link?: LinkState | undefined
  /** The holder is dead, by this evidence. */
  readonly death?: { readonly holder: string; readonly by: 'peer' | 'pod'; readonly signMs: number } | undefined
  /**
   * This replica held the Lease that was deleted or cleared, and may take it again at once, until whoever saw its last
   * renewal may.
   */
  readonly reclaim?: { readonly claim: Claim; readonly untilMs: number } | undefined
  /** Attempts to take the Lease of which it is not known whether they landed, by the renewTime that they carried. */
  readonly takes: ReadonlyMap<string, Request>
  /** Until then a replica that stops waits for a look at what became of its last take; 0 when that is known. */
  readonly unsettledUntilMs: number
  /** What the API server refuses. */
  readonly refusal?: { readonly kind: RequestKind; readonly why: string } | undefined
  /** Why the API server refuses the watch: until it accepts one, the Lease is read again and again instead. */
  readonly watchRefusal?: string | undefined
  /** How the last request failed, until the API server answers one: an outage, and nothing that a person refused. */
  readonly failure?: string | undefined
  /** Why no epoch can be trusted any more: nobody leads on it. */
  readonly broken?: string | undefined
}

/** A state before anything was read. */
export function initialState(): State {
  return {
    phase: 'new',
    synced: false,
    sawHolder: false,
    newestVersion: 0n,
    watch: { version: 0n, heardMs: 0 },
    outage: false,
    holdOffMs: 0,
    failures: 0,
    nextReadMs: 0,
    wantsRead: true,
    answeredMs: 0,
    nextRenewMs: 0,
    nextReleaseMs: 0,
    requests: 0,
    stopping: false,
    prepared: false,
    stalled: false,
    isNewestRevision: true,
    aside: { untilMs: 0, seconds: 0, forOthers: false },
    listening: false,
    standbys: [],
    takeovers: [],
    takes: new Map(),
    unsettledUntilMs: 0,
  }
}
