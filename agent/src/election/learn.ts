import { leaseAnnotations } from '@regent/contract/names.ts'
import { takeovers } from '@regent/contract/takeover.ts'
import { isReleased, type LeaseRecord, sameElection } from './lease-record.ts'
import { acknowledge, acquire, lose, released } from './reign.ts'
import type { Request } from './state.ts'
import type { Turn } from './turn.ts'

/** A Lease that the watch delivered. What is older than what is known is no news. */
export function learnEvent(turn: Turn, lease: LeaseRecord): void {
  const { state } = turn
  state.watch = { version: larger(state.watch.version, lease.version ?? 0n), heardMs: turn.nowMs }
  if (lease.version !== undefined && lease.version <= state.newestVersion) return
  learn(turn, lease)
}

/** A Lease that a request was answered with. */
export function learnAnswer(turn: Turn, lease: LeaseRecord, request: Request): void {
  const { state } = turn
  if (lease.version !== undefined && lease.version < request.knownVersion) {
    // Answers of the API server are never older than what it answered before: the store behind it was set back.
    turn.state.broken = `the Lease went back from resourceVersion ${request.knownVersion} to ${lease.version}: etcd was restored from a backup, and epochs of before would be used again; restart the agents once the control plane knows (regent agents reset-fence), or restore with --bump-revision`
    lose(turn)
    return
  }
  // While it was on its way the watch may have delivered something newer.
  if (lease.version !== undefined && lease.version < state.newestVersion) return
  const isOverdue = turn.nowMs - state.watch.heardMs >= turn.silenceMs
  // What this replica has just written itself, the watch could not have told yet.
  if (isOverdue && request.kind === 'read' && (lease.version ?? 0n) > state.watch.version) restartWatch(turn)
  learn(turn, lease)
}

/** There is no Lease. */
export function learnAbsent(turn: Turn, version?: bigint): void {
  const { state } = turn
  if (version !== undefined) state.newestVersion = larger(state.newestVersion, version)
  state.synced = true
  // Whoever held it last, perhaps unseen, may have renewed it until now.
  if (state.record && state.last) state.last = { ...state.last, seenMs: turn.nowMs }
  state.record = undefined
  state.death = undefined
  loseTo(turn, 'deleted')
}

/** Asks for another watch: the one there is has stopped to tell what happens. */
export function restartWatch(turn: Turn): void {
  // Another one would be refused too; it is tried again by itself, more rarely.
  if (turn.state.watchRefusal !== undefined) return
  turn.state.watch = { ...turn.state.watch, heardMs: turn.nowMs }
  turn.emit({ type: 'rewatch' })
}

function learn(turn: Turn, lease: LeaseRecord): void {
  const { state } = turn
  if (lease.version === undefined) {
    state.broken = `the Lease's resourceVersion is no number, so no epoch can be told from it; this API server cannot carry an election`
    lose(turn)
    return
  }
  state.broken = undefined
  const before = state.record
  const known = state.last?.record
  if (known === undefined || !sameElection(known, lease)) {
    state.last = { record: lease, seenMs: turn.nowMs, jitterMs: turn.standbyJitterMs() }
    // Somebody who was said to be dead wrote: a write that was on its way, or a lie.
    if (state.death?.holder === lease.holder && known !== undefined) turn.emit({ type: 'confirm-death' })
    state.death = undefined
    // All replicas write by the same Role: what another may do, this one may do again.
    const isWrittenByOther = known !== undefined && lease.holder !== '' && lease.holder !== turn.me
    if (isWrittenByOther && state.refusal?.kind !== 'read') state.refusal = undefined
  } else if (state.last) state.last = { ...state.last, record: lease }
  state.record = lease
  if (lease.holder !== '') state.sawHolder = true
  state.newestVersion = larger(state.newestVersion, lease.version)
  state.synced = true
  if (!state.hold) state.takeovers = rememberedTakeovers(lease)
  // What the watch missed: the Lease was deleted, or another has led.
  if (before && lease.holder === turn.me) {
    if (before.uid !== lease.uid) loseTo(turn, 'deleted')
    else if (before.acquireTime !== lease.acquireTime) loseTo(turn, 'cleared')
  }
  judgeHolder(turn, lease, lease.version)
}

/** Ends a reign whose Lease nobody else holds: it may be acquired again at once, by a new epoch. */
function loseTo(turn: Turn, reason: 'deleted' | 'cleared'): void {
  const { state, nowMs } = turn
  if (!state.hold) return
  const untilMs = state.hold.acknowledgedAt.monotonicMs + turn.ms.lease
  lose(turn)
  state.reclaim = { claim: { reason, signMs: nowMs, detectedMs: nowMs, from: turn.me }, untilMs }
}

/** What a Lease that was just learnt means for who leads. */
function judgeHolder(turn: Turn, lease: LeaseRecord, version: bigint): void {
  const { state, me } = turn
  if (lease.holder === me) {
    const attempt = state.hold?.unconfirmed.get(lease.renewTime)
    if (attempt) acknowledge(turn, attempt)
    const take = state.takes.get(lease.renewTime)
    if (!state.hold && take) acquire(turn, take, version)
    return
  }
  if (lease.holder !== '') state.reclaim = undefined
  if (!state.hold) return
  const isOver = state.leaving !== undefined && state.work === undefined
  const isMyRelease = lease.holder === '' && lease.annotations[leaseAnnotations.releasedBy] === me
  // Given back, or given back and taken already by another.
  if (isOver && (isMyRelease || lease.holder !== '')) return released(turn)
  if (lease.holder === '' && !isReleased(lease)) return loseTo(turn, 'cleared')
  lose(turn)
}

function rememberedTakeovers({ annotations }: LeaseRecord) {
  try {
    const parsed = takeovers.safeParse(JSON.parse(annotations[leaseAnnotations.takeovers] ?? '[]'))
    return parsed.success ? parsed.data : []
  } catch {
    // A person's edit: what cannot be read is forgotten.
    return []
  }
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other
}
