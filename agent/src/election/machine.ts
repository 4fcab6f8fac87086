import type { Instant } from './clock.ts'
import { mayCompete } from './compete.ts'
import { learnAbsent, learnEvent } from './learn.ts'
import { cordonedPods } from './lease-record.ts'
import { govern, leave, registered, workEnded } from './reign.ts'
import { answered, nextRequest } from './requests.ts'
import type { ElectionStatus } from './election.ts'
import type { Effect, Input, MachineOptions, State } from './state.ts'
import { Turn } from './turn.ts'

/** What one step came to. */
export interface Stepped {
  readonly state: State
  readonly effects: readonly Effect[]
  /** The machine wants a tick at this time of the monotonic clock, in milliseconds, if nothing happens before. */
  readonly wakeAtMs: number
}

/**
 * The election as seen by one replica: what it knows, what it is told, and what it wants done. It has no clock, no
 * connection and no chance of its own, so that whatever can happen can be played through.
 */
export function step(state: State, input: Input, options: MachineOptions, now: Instant, random: () => number): Stepped {
  const turn = new Turn(state, options, now, random)
  if (state.phase === 'stopped') return { state, effects: [], wakeAtMs: Infinity }
  if (state.phase === 'new') turn.state.watch = { version: 0n, heardMs: now.monotonicMs }
  turn.state.phase = 'running'
  hear(turn, input)
  govern(turn)
  nextRequest(turn)
  stopWhenOver(turn)
  // Whoever waits to hear that this standby is ready again hears it at once.
  turn.isDue(turn.state.aside.untilMs)
  return { state: turn.state, effects: turn.effects, wakeAtMs: turn.wakeAtMs }
}

/**
 * Whether this replica would take the Lease if the leader gave it back now: what a standby tells the leader. The
 * machine asks for a tick when time alone changes that.
 */
export function isReady(state: State, options: MachineOptions, nowMs: number): boolean {
  const { role, obstacle } = statusOf(state, options)
  if (role !== 'standby' || obstacle !== undefined) return false
  return mayCompete(state, options) && nowMs >= state.aside.untilMs
}

function hear(turn: Turn, input: Input): void {
  const { state } = turn
  switch (input.type) {
    case 'tick':
      return
    case 'answer':
      return answered(turn, input.request, input.answer)
    case 'event':
      return learnEvent(turn, input.lease)
    case 'deleted':
      state.watch = { version: input.version ?? state.watch.version, heardMs: turn.nowMs }
      if (input.version === undefined || input.version > state.newestVersion) learnAbsent(turn, input.version)
      return
    case 'bookmark':
      state.watch = { ...state.watch, heardMs: turn.nowMs }
      return
    case 'missed':
      state.wantsRead = true
      return
    case 'watch-refused':
      state.watchRefusal = input.why
      return
    case 'watch-accepted':
      state.watchRefusal = undefined
      return
    case 'prepared':
      state.prepared = input.value
      return
    case 'work-ended':
      return workEnded(turn, input)
    case 'work-failed':
      if (state.work?.epoch === input.epoch) leave(turn, 'work-failed')
      return
    case 'stalled':
      state.stalled = input.value
      return
    case 'death':
      if (state.record?.holder === input.holder && !state.hold) {
        state.death = { holder: input.holder, by: input.by, signMs: input.sign.monotonicMs }
      }
      return
    case 'listening':
      state.listening = true
      return
    case 'standbys':
      state.standbys = input.standbys
      return
    case 'container':
      state.container = input.id
      return
    case 'link':
      state.link = input.state
      if (input.state === 'registered') registered(turn)
      return
    case 'revision':
      state.isNewestRevision = input.isNewest
      return
    case 'yield':
      // Without somebody who would do better, giving up leadership only costs more of it.
      if (state.standbys.some(({ ready, reaches }) => ready && reaches === true)) leave(turn, 'yielded')
      return
    case 'verify':
      state.nextRenewMs = Math.min(state.nextRenewMs, turn.nowMs)
      return
    case 'stop':
      state.stopping = true
  }
}

function stopWhenOver(turn: Turn): void {
  const { state, ms } = turn
  if (!state.stopping || state.work) return
  // The work is over. Whether the Lease could be given back or runs out by itself, nothing more depends on us.
  if (state.hold && !turn.isPast(turn.after(state.hold.acknowledgedAt, ms.deadline))) return
  if (state.request?.kind === 'take' || state.request?.kind === 'release') return
  // Without a look, others might have to wait for a Lease that is ours without our knowing.
  if (!turn.isDue(state.unsettledUntilMs)) return
  state.hold = undefined
  state.phase = 'stopped'
  turn.emit({ type: 'stopped' })
}

/** How the election stands, for health, metrics and people. */
export function statusOf(state: State, options: MachineOptions): ElectionStatus {
  const obstacle = state.broken ?? state.refusal?.why ?? state.watchRefusal
  const epoch = state.hold?.reign.epoch ?? latestEpoch(state)
  return {
    role: roleOf(state),
    synced: state.synced,
    prepared: state.prepared,
    cordoned: state.record !== undefined && cordonedPods(state.record).includes(options.identity.pod),
    ...(obstacle !== undefined && { obstacle }),
    ...(state.failure !== undefined && { unreachable: state.failure }),
    ...(state.record && state.record.holder !== '' && { holder: state.record.holder }),
    ...(epoch !== undefined && { epoch }),
  }
}

function roleOf({ phase, hold, leaving, work, synced }: State): ElectionStatus['role'] {
  if (phase === 'stopped') return 'stopped'
  if (hold) return leaving ? 'draining' : work && !work.ending ? 'leading' : 'suspended'
  return synced ? 'standby' : 'starting'
}

function latestEpoch({ takeovers }: State): bigint | undefined {
  const [latest] = takeovers
  return latest && BigInt(latest.epoch)
}
