import { leaseAnnotations } from '@regent/contract/names.ts'
import { type TakeoverReason, takeoverReasons } from '@regent/contract/takeover.ts'
import { parseIdentity } from './identity.ts'
import { cordonedPods, isReleased, type LeaseRecord } from './lease-record.ts'
import type { Claim, MachineOptions, State } from './state.ts'
import type { Turn } from './turn.ts'

/** A pod of an older revision leaves the Lease to the newest for so long, so that a rollout moves it once. */
const olderRevisionDelayMs = 300

/** Whether this replica may compete for the Lease at all. */
export function mayCompete(state: State, options: MachineOptions): boolean {
  if (!state.synced || state.stopping || state.stalled || state.broken !== undefined) return false
  if (!state.prepared || state.work !== undefined) return false
  return !state.record || !cordonedPods(state.record).includes(options.identity.pod)
}

/**
 * When this replica may compete for a Lease that is free since a moment. Who stands aside for others leaves them the
 * first lease duration: if nobody wanted it for so long, it is better led by this one than by none.
 */
function turnMs({ state, ms }: Turn, freeSinceMs: number): number {
  const { untilMs, forOthers } = state.aside
  return forOthers ? Math.min(untilMs, freeSinceMs + ms.lease) : untilMs
}

/**
 * Why the Lease may be taken now, or `undefined` while it may not. `ask` when only a fresh look at it can tell.
 * The machine is asked again when that changes.
 */
export function claimOf(turn: Turn): Claim | 'ask' | undefined {
  const { state } = turn
  // Who held the Lease until it was deleted or cleared need not wait, not even for its own work to end.
  const { reclaim } = state
  const mayReclaim = !state.stopping && !state.stalled && state.broken === undefined
  if (reclaim && mayReclaim && turn.nowMs < reclaim.untilMs) return reclaim.claim
  if (!mayCompete(state, turn.options)) return undefined
  const { record, last } = state
  if (record === undefined && last === undefined) return claim(turn, 'first', turn.nowMs)
  if (record !== undefined) {
    const atOnce = claimAtOnce(turn, record)
    if (atOnce !== 'wait') return atOnce
  }
  return last && expiredClaim(turn, last)
}

function claimAtOnce(turn: Turn, record: LeaseRecord): Claim | 'ask' | undefined | 'wait' {
  const { state, options } = turn
  const seenMs = state.last?.seenMs ?? turn.nowMs
  if (isReleased(record)) {
    const firstMs = state.isNewestRevision ? seenMs : seenMs + olderRevisionDelayMs
    if (!turn.isDue(Math.max(firstMs, turnMs(turn, seenMs)))) return undefined
    // An API server that is slow is slow for the newest revision too, whose write may be on its way: look first.
    if (!state.isNewestRevision && state.answeredMs < firstMs) return 'ask'
    return claim(turn, releaseReason(record), seenMs)
  }
  // As the manifests create it. Where a holder was seen before, a person has emptied it, and its time must run out.
  if (!state.sawHolder && record.holder === '' && record.renewTime === '') return claim(turn, 'first', turn.nowMs)
  const death = state.death?.holder === record.holder ? state.death : undefined
  if (!turn.isDue(turnMs(turn, death?.signMs ?? seenMs))) return 'wait'
  if (record.holder === turn.me) return claim(turn, 'cleared', turn.nowMs)
  const holder = parseIdentity(record.holder)
  const isMyDeadContainer = holder?.podUid === options.identity.podUid && holder.boot !== options.identity.boot
  if (isMyDeadContainer && options.mayRetakeAtOnce) return claim(turn, 'restarted', turn.nowMs)
  return death ? claim(turn, `${death.by}-evidence`, death.signMs) : 'wait'
}

/** The Lease ran out by the local clock, counted from when its holder was last seen to write it. */
function expiredClaim(turn: Turn, last: NonNullable<Turn['state']['last']>): Claim | 'ask' | undefined {
  const { state, ms } = turn
  // Never less than we would promise ourselves: a shorter one may be an edit of which its holder knows nothing.
  const durationMs = Math.max(last.record.durationMs ?? 0, ms.lease)
  const runOutMs = last.seenMs + durationMs + last.jitterMs
  const freeMs = Math.max(runOutMs, state.holdOffMs, turnMs(turn, runOutMs))
  if (!turn.isDue(freeMs)) return undefined
  // Only an answer to a question asked since then proves that the holder could have renewed, and did not.
  if (state.outage || state.answeredMs < freeMs) return 'ask'
  return claim(turn, 'expired', last.seenMs)
}

function releaseReason({ annotations }: LeaseRecord): TakeoverReason {
  const reason = annotations[leaseAnnotations.reason] ?? ''
  return Object.hasOwn(takeoverReasons, reason) ? (reason as TakeoverReason) : 'released'
}

function claim(turn: Turn, reason: TakeoverReason, signMs: number): Claim {
  const { record, last } = turn.state
  const from = (record ?? last?.record)?.holder ?? ''
  const releasedBy = record?.annotations[leaseAnnotations.releasedBy] ?? ''
  return { reason, signMs, detectedMs: turn.nowMs, from: from === '' ? releasedBy : from }
}
