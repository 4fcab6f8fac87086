import { attemptSeconds } from '@regent/contract/election.ts'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { claimOf } from './compete.ts'
import { learnAbsent, learnAnswer, restartWatch } from './learn.ts'
import { changedLease, type LeaseChange, microTime, mostTransitions } from './lease-record.ts'
import { acknowledge } from './reign.ts'
import type { Answer, Claim, Request } from './state.ts'
import type { Turn } from './turn.ts'

/** Most attempts of unknown outcome that are remembered. */
const rememberedAttempts = 8
/** A leader tries again quickly: its renew deadline is running. */
const leaderBackoffMs = { first: 100, most: 1000 }
const standbyBackoffMs = { first: 50, most: 2000 }

/** Begins the one request that is due, if any: there is never more than one. */
export function nextRequest(turn: Turn): void {
  const { state } = turn
  if (state.request) return
  if (state.wantsRead) {
    if (turn.isDue(state.nextReadMs)) read(turn)
    return
  }
  if (state.hold) {
    if (state.leaving && !state.work) {
      if (turn.isDue(state.nextReleaseMs)) release(turn)
    } else if (!state.stalled && turn.isDue(state.nextRenewMs)) renew(turn)
    return
  }
  const claim = claimOf(turn)
  if (claim !== undefined) {
    if (!turn.isDue(state.nextReadMs)) return
    return claim === 'ask' ? read(turn) : take(turn, claim)
  }
  if (mayHaveMissed(turn)) read(turn)
}

/** Whether it is time to look at the Lease, because nothing was heard of it for long enough. */
function mayHaveMissed(turn: Turn): boolean {
  const { state } = turn
  const quietSinceMs = Math.max(state.watch.heardMs, state.answeredMs)
  if (state.watchRefusal !== undefined) return turn.isDue(quietSinceMs + turn.ms.retry)
  const mayChange = state.broken !== undefined || (state.record !== undefined && state.record.holder !== '')
  return mayChange && turn.isDue(quietSinceMs + turn.silenceMs)
}

/** What became of the request in flight. */
export function answered(turn: Turn, id: number, answer: Answer): void {
  const { state } = turn
  const { request } = state
  if (request?.id !== id) return
  state.request = undefined
  if (answer.kind === 'failure' || answer.kind === 'refused') return failed(turn, request, answer)
  succeeded(turn, request)
  if (answer.kind === 'absent') {
    if (state.record === undefined || state.newestVersion <= request.knownVersion) return learnAbsent(turn)
    // The watch has shown a Lease meanwhile: only another look tells whether it is gone again.
    state.wantsRead = true
    return
  }
  if (answer.kind === 'conflict') {
    if (request.kind === 'renew') turn.emit({ type: 'slow-path' })
    state.wantsRead = true
    return
  }
  if (request.kind === 'read') return learnAnswer(turn, answer.lease, request)
  // Of what was sent before its answer the watch may know already; the order of the two does not matter.
  if (request.kind === 'renew') acknowledge(turn, request.startedAt)
  learnAnswer(turn, answer.lease, request)
  if (request.kind === 'renew') {
    turn.emit({ type: 'renewed', seconds: (turn.nowMs - request.startedAt.monotonicMs) / 1000 })
    if (turn.nowMs - state.watch.heardMs > turn.silenceMs + turn.ms.retry) restartWatch(turn)
  }
}

function succeeded(turn: Turn, request: Request): void {
  const { state } = turn
  state.failures = 0
  state.failure = undefined
  state.answeredMs = request.startedAt.monotonicMs
  state.unsettledUntilMs = 0
  if (state.refusal && (state.refusal.kind === request.kind || request.kind !== 'read')) state.refusal = undefined
  if (!state.outage) return
  state.outage = false
  // The incumbent was cut off too, perhaps: it may come back with the same epoch before anybody takes its Lease.
  state.holdOffMs = turn.nowMs + 2 * turn.ms.retry + turn.standbyJitterMs()
}

function failed(turn: Turn, request: Request, answer: Answer & { kind: 'failure' | 'refused' }): void {
  const { state } = turn
  const { first, most } = state.hold ? leaderBackoffMs : standbyBackoffMs
  const againMs = turn.nowMs + first / 2 + turn.backoff(first, most)
  state.failures += 1
  state.failure = answer.kind === 'failure' ? answer.why : undefined
  if (answer.kind === 'refused') state.refusal = { kind: request.kind, why: answer.why }
  if (!state.hold) state.outage = true
  if (request.kind === 'take') state.unsettledUntilMs = turn.nowMs + 2 * attemptSeconds * 1000
  state.nextReadMs = againMs
  state.nextRenewMs = Math.max(state.nextRenewMs, againMs)
  state.nextReleaseMs = againMs
  // A write may have landed although its answer did not arrive; while nobody holds the Lease, a look settles it.
  if (request.kind === 'read' || !state.hold) state.wantsRead = true
}

function begin(turn: Turn, kind: Request['kind'], more: Partial<Request> = {}): number {
  const { state } = turn
  const id = state.requests + 1
  state.requests = id
  state.request = { id, kind, startedAt: turn.now, knownVersion: state.newestVersion, ...more }
  return id
}

function read(turn: Turn): void {
  turn.state.wantsRead = false
  turn.emit({ type: 'read', request: begin(turn, 'read') })
}

function take(turn: Turn, claim: Claim): void {
  const { state, options } = turn
  const at = renewTimeOf(turn)
  const request = begin(turn, 'take', { claim, renewTime: at })
  if (state.request) state.takes = remembered(state.takes, at, state.request)
  const before = state.record ?? state.last?.record
  write(turn, request, {
    holder: turn.me,
    durationSeconds: options.timing.leaseDurationSeconds,
    acquireTime: at,
    renewTime: at,
    transitions: before === undefined ? 0 : Math.min(before.transitions + 1, mostTransitions),
    annotations: {
      [leaseAnnotations.releasedBy]: undefined,
      [leaseAnnotations.stepDown]: undefined,
      [leaseAnnotations.epoch]: undefined,
      [leaseAnnotations.standbys]: undefined,
      [leaseAnnotations.link]: undefined,
      [leaseAnnotations.node]: options.node,
      [leaseAnnotations.since]: new Date(turn.now.wallMs).toISOString(),
      [leaseAnnotations.reason]: claim.reason,
      // What the Lease remembered is not lost with it when it is deleted.
      [leaseAnnotations.takeovers]: JSON.stringify(state.takeovers),
      [leaseAnnotations.peer]: peerOf(turn),
      [leaseAnnotations.container]: state.container,
    },
  })
}

function renew(turn: Turn): void {
  const { state, options } = turn
  const { hold } = state
  if (!hold) return
  const at = renewTimeOf(turn)
  const request = begin(turn, 'renew', { renewTime: at })
  state.hold = { ...hold, unconfirmed: remembered(hold.unconfirmed, at, turn.now) }
  write(turn, request, {
    holder: turn.me,
    durationSeconds: options.timing.leaseDurationSeconds,
    renewTime: at,
    annotations: {
      [leaseAnnotations.epoch]: String(hold.reign.epoch),
      // When it was acquired is known only by now; and what a person has edited is told right again.
      [leaseAnnotations.since]: new Date(hold.reign.since).toISOString(),
      [leaseAnnotations.reason]: hold.reign.reason,
      [leaseAnnotations.takeovers]: JSON.stringify(state.takeovers),
      [leaseAnnotations.standbys]: JSON.stringify(state.standbys),
      [leaseAnnotations.link]: state.link,
      [leaseAnnotations.node]: options.node,
      [leaseAnnotations.peer]: peerOf(turn),
      [leaseAnnotations.container]: state.container,
    },
  })
}

/** Where standbys connect to; an address at which nobody listens would only keep them trying. */
function peerOf({ state, options }: Turn): string | undefined {
  return state.listening ? options.peer : undefined
}

/** Gives the Lease back: whoever sees it may take it at once. */
function release(turn: Turn): void {
  const { state } = turn
  const at = renewTimeOf(turn)
  write(turn, begin(turn, 'release', { renewTime: at }), {
    holder: '',
    durationSeconds: 1,
    renewTime: at,
    annotations: {
      [leaseAnnotations.releasedBy]: turn.me,
      [leaseAnnotations.reason]: state.leaving?.why,
      [leaseAnnotations.stepDown]: undefined,
      [leaseAnnotations.peer]: undefined,
      [leaseAnnotations.container]: undefined,
      [leaseAnnotations.standbys]: undefined,
      [leaseAnnotations.link]: undefined,
    },
  })
}

function write(turn: Turn, request: number, change: LeaseChange): void {
  const { state, options } = turn
  const lease = changedLease(state.record, { name: options.leaseName, namespace: options.leaseNamespace }, change)
  turn.emit({ type: 'write', request, method: state.record ? 'update' : 'create', lease })
}

function renewTimeOf(turn: Turn): string {
  return microTime(turn.now.wallMs, turn.state.requests)
}

function remembered<V>(attempts: ReadonlyMap<string, V>, renewTime: string, value: V): ReadonlyMap<string, V> {
  return new Map([...attempts, [renewTime, value] as const].slice(-rememberedAttempts))
}
