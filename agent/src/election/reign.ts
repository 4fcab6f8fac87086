import { leaseAnnotations } from '@regent/contract/names.ts'
import { rememberedTakeovers } from '@regent/contract/takeover.ts'
import type { Instant } from './clock.ts'
import type { EndReason } from './leadership.ts'
import { cordonedPods } from './lease-record.ts'
import type { Departure, Input, Request } from './state.ts'
import type { Turn } from './turn.ts'

/** How long a leader that handed over on request stands aside: ready standbys need milliseconds. */
const stepDownAsideSeconds = 5
const yieldedAsideSeconds = 30
const failedAloneAsideSeconds = 1
const longestAsideSeconds = 600
/** Where nobody else is ready, standing aside only spaces the attempts. */
const longestAloneAsideSeconds = 30
/** A leadership that lasted for so long was no failure. */
const provenMs = 60_000

/** The Lease is ours by a write that is known to have landed. */
export function acquire(turn: Turn, take: Request, epoch: bigint): void {
  const { state } = turn
  const { claim } = take
  if (claim === undefined) return
  state.takes = new Map()
  state.reclaim = undefined
  state.death = undefined
  if (epoch <= take.knownVersion) {
    state.broken = `the Lease was acquired with epoch ${epoch} after ${take.knownVersion} had been seen: an epoch must grow`
    return
  }
  const since = turn.now.wallMs
  const phases = {
    detected: Math.max(0, Math.round(claim.detectedMs - claim.signMs)),
    acquired: Math.max(0, Math.round(turn.nowMs - claim.signMs)),
  }
  state.hold = {
    reign: { epoch, reason: claim.reason, since, phases },
    sinceMs: turn.nowMs,
    acknowledgedAt: take.startedAt,
    begun: false,
    unconfirmed: new Map(),
  }
  const takeover = {
    epoch: String(epoch),
    holder: turn.me,
    ...(claim.from !== '' && { from: claim.from }),
    at: new Date(since).toISOString(),
    reason: claim.reason,
    phases,
  }
  state.takeovers = [takeover, ...state.takeovers].slice(0, rememberedTakeovers)
  // At once, because the epoch can be written only now that it is known.
  state.nextRenewMs = turn.nowMs
}

/** The control plane has admitted this leader: the takeover is over, and the next renewal tells how long it took. */
export function registered({ state, nowMs }: Turn): void {
  const { hold } = state
  const [latest, ...earlier] = state.takeovers
  if (latest === undefined || latest.epoch !== String(hold?.reign.epoch) || latest.phases.registered !== undefined)
    return
  const sinceAcquiredMs = nowMs - (hold?.sinceMs ?? nowMs)
  const phases = { ...latest.phases, registered: latest.phases.acquired + Math.round(sinceAcquiredMs) }
  state.takeovers = [{ ...latest, phases }, ...earlier]
}

/** A renewal landed that began at `startedAt`: leading is safe from then on for one renew deadline. */
export function acknowledge(turn: Turn, startedAt: Instant): void {
  const { state } = turn
  const { hold } = state
  if (!hold || startedAt.monotonicMs < hold.acknowledgedAt.monotonicMs) return
  const later = [...hold.unconfirmed].filter(([, at]) => at.monotonicMs > startedAt.monotonicMs)
  state.hold = { ...hold, acknowledgedAt: startedAt, unconfirmed: new Map(later) }
  state.nextRenewMs = Math.max(state.nextRenewMs, startedAt.monotonicMs + turn.ms.retry)
  if (state.work && !state.work.ending) allow(turn)
}

/** The Lease is not ours any more, or cannot be trusted: nothing of this epoch may act again. */
export function lose(turn: Turn): void {
  const { state } = turn
  if (!state.hold) return
  endWork(turn, 'lost')
  state.hold = undefined
  state.leaving = undefined
}

/** The Lease is given back. */
export function released(turn: Turn): void {
  const { state } = turn
  const { hold, leaving } = state
  if (!hold || !leaving) return
  state.hold = undefined
  state.leaving = undefined
  standAside(turn, leaving.why, turn.now.wallMs - hold.reign.since >= provenMs)
}

function standAside(turn: Turn, why: Departure, hasProven: boolean): void {
  const { state } = turn
  const before = hasProven ? 0 : state.aside.seconds
  const forOthers = state.standbys.some(({ ready }) => ready)
  const aside = (seconds: number, remembered: number): void => {
    state.aside = { untilMs: turn.nowMs + seconds * 1000, seconds: remembered, forOthers }
  }
  if (why === 'step-down') return aside(stepDownAsideSeconds, before)
  if (why !== 'yielded' && why !== 'work-failed') return
  const [first, longest] = forOthers
    ? [yieldedAsideSeconds, longestAsideSeconds]
    : [failedAloneAsideSeconds, longestAloneAsideSeconds]
  const seconds = Math.min(longest, Math.max(first, 2 * before))
  aside(seconds, seconds)
}

/** Begins to hand over: the work drains while the Lease is still renewed. */
export function leave(turn: Turn, why: Departure): void {
  const { state } = turn
  if (!state.hold || state.leaving) return
  state.leaving = { why, drainUntilMs: turn.nowMs + turn.ms.drain }
  if (state.work && !state.work.ending) {
    state.work = { ...state.work, draining: true }
    turn.emit({ type: 'drain', epoch: state.work.epoch })
  }
}

/** The work of an epoch has ended; without having been told to, it has failed. */
export function workEnded(turn: Turn, { epoch, reason }: Input & { type: 'work-ended' }): void {
  const { state } = turn
  const { work } = state
  if (work?.epoch !== epoch) return
  turn.emit({ type: 'forbid' })
  state.work = undefined
  const told = work.ending?.reason ?? reason
  if (told === undefined && !work.draining) leave(turn, 'work-failed')
  turn.emit({ type: 'ended', epoch, reason: told ?? state.leaving?.why ?? 'lost' })
}

/** What a leader must do because time passed or somebody asked it to: suspend, hand over, be killed, begin. */
export function govern(turn: Turn): void {
  const { state } = turn
  const { work, hold } = state
  if (hold && work && !work.ending && turn.isPast(turn.after(hold.acknowledgedAt, turn.ms.deadline))) {
    endWork(turn, 'suspended')
  }
  if (hold && !state.leaving) {
    const why = departure(turn)
    if (why) leave(turn, why)
  }
  if (state.leaving && state.work && !state.work.ending && turn.isDue(state.leaving.drainUntilMs)) {
    endWork(turn, 'drained')
  }
  if (state.work?.ending && turn.isPast(state.work.ending.killAt)) {
    turn.emit({ type: 'kill', why: `the work of epoch ${state.work.epoch} did not end within its abort budget` })
  }
  begin(turn)
}

function departure(turn: Turn): Departure | undefined {
  const { state } = turn
  if (state.stopping) return 'released'
  if (!state.record) return undefined
  if (state.record.annotations[leaseAnnotations.stepDown] === turn.me) return 'step-down'
  const isCordoned = cordonedPods(state.record).includes(turn.options.identity.pod)
  return isCordoned && state.standbys.some(({ ready }) => ready) ? 'cordoned' : undefined
}

function begin(turn: Turn): void {
  const { state } = turn
  const { hold } = state
  if (!hold || state.work || state.leaving || state.stalled) return
  if (turn.isPast(turn.after(hold.acknowledgedAt, turn.ms.deadline))) return
  state.work = { epoch: hold.reign.epoch, draining: false }
  state.hold = { ...hold, begun: true }
  allow(turn)
  turn.emit({ type: 'begin', reign: hold.reign, resumed: hold.begun })
}

/** Says to every thread until when work may act. */
function allow(turn: Turn): void {
  const { hold } = turn.state
  if (!hold) return
  const until = turn.after(hold.acknowledgedAt, turn.ms.deadline)
  turn.emit({ type: 'allow', epoch: hold.reign.epoch, until })
}

function endWork(turn: Turn, reason: EndReason): void {
  const { state } = turn
  const { work, hold } = state
  if (!work || work.ending) return
  turn.emit({ type: 'forbid' })
  turn.emit({ type: 'end', epoch: work.epoch, reason })
  const budget = turn.after(turn.now, turn.ms.abort)
  const latest = hold ? turn.after(hold.acknowledgedAt, turn.ms.deadline + turn.ms.abort) : budget
  // The earlier by each clock: a pause must not prolong what it has used up.
  const killAt = {
    monotonicMs: Math.min(budget.monotonicMs, latest.monotonicMs),
    wallMs: Math.min(budget.wallMs, latest.wallMs),
  }
  state.work = { ...work, ending: { reason, killAt } }
}
