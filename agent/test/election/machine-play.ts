import { electionProfiles } from '@regent/contract/election.ts'
import type { Instant } from '../../src/election/clock.ts'
import { identityText } from '../../src/election/identity.ts'
import type { ElectionStatus } from '../../src/election/election.ts'
import { type LeaseObject, type LeaseRecord, parseLease } from '../../src/election/lease-record.ts'
import { isReady, statusOf, step } from '../../src/election/machine.ts'
import { type Answer, type Effect, initialState, type Input, type MachineOptions } from '../../src/election/state.ts'
import { ModelApiServer, type Reply } from './model/api-server.ts'

export const timing = electionProfiles.fast
export const leaseMs = timing.leaseDurationSeconds * 1000
export const deadlineMs = timing.renewDeadlineSeconds * 1000
export const retryMs = timing.retryPeriodSeconds * 1000
export const abortMs = timing.abortBudgetSeconds * 1000
export const drainMs = 30_000

export const me = 'pod-a_uid-a_boot-1'
export const other = 'pod-b_uid-b_boot-2'
export const third = 'pod-c_uid-c_boot-3'

/** As a holder writes it, by `kubectl` or as another replica. */
export function leaseOf(spec: object, annotations: Readonly<Record<string, string>> = {}): LeaseObject {
  return {
    metadata: { name: 'regent-agent-a', namespace: 'regent-system', annotations },
    spec: { leaseDurationSeconds: timing.leaseDurationSeconds, ...spec },
  }
}

export function recordOf(lease: object): LeaseRecord {
  const record = parseLease(lease)
  if (!record) throw new Error('expected an object with metadata')
  return record
}

/**
 * One machine with a clock that stands still unless it is told to go on, and the Lease of an API server that hears
 * its requests when it is told to. What the watch would tell waits until it is let through.
 */
export class Play {
  readonly api: ModelApiServer
  readonly options: MachineOptions
  state = initialState()
  now: Instant = { monotonicMs: 10_000, wallMs: Date.UTC(2026, 0, 2, 3, 4, 5) }
  /** What every draw of the random source gives. */
  random = 0
  /** Everything that the machine wanted done, oldest first. */
  effects: Effect[] = []
  readonly #sent: Effect[] = []
  #events: Input[] = []
  #wakeAtMs = Infinity
  /** Whom the watch of the API server tells. */
  readonly #watching: Play[] = [this]

  /** @param beside another replica of the same agent, whose API server is this one's too */
  constructor(options: Partial<MachineOptions> = {}, beside?: Play) {
    this.options = {
      identity: { pod: 'pod-a', podUid: 'uid-a', boot: 'boot-1' },
      leaseName: 'regent-agent-a',
      leaseNamespace: 'regent-system',
      timing,
      drainBudgetSeconds: drainMs / 1000,
      node: 'node-a',
      mayRetakeAtOnce: true,
      ...options,
    }
    if (beside) beside.#watching.push(this)
    this.api =
      beside?.api ??
      new ModelApiServer(
        () => this.now.monotonicMs,
        (lease, version) => {
          const event: Input = lease
            ? { type: 'event', lease: recordOf(lease) }
            : { type: 'deleted', version: BigInt(version) }
          for (const play of this.#watching) play.#events.push(event)
        },
      )
  }

  get me(): string {
    return identityText(this.options.identity)
  }

  get status(): ElectionStatus {
    return statusOf(this.state, this.options)
  }

  get isReady(): boolean {
    return isReady(this.state, this.options, this.now.monotonicMs)
  }

  /** When the machine wants to be asked again, if nothing happens before. */
  get wakesAtMs(): number {
    return this.#wakeAtMs
  }

  /** The Lease as the API server has it. */
  get lease(): LeaseRecord {
    if (!this.api.lease) throw new Error('there is no Lease')
    return recordOf(this.api.lease)
  }

  /** What was wanted since the last look, by the names of the effects. */
  took(): readonly Effect['type'][] {
    return this.takeEffects().map(({ type }) => type)
  }

  takeEffects(): readonly Effect[] {
    const { effects } = this
    this.effects = []
    return effects
  }

  /** The request that waits for its answer. */
  get pending(): 'none' | 'read' | 'take' | 'renew' | 'release' {
    return this.state.phase === 'stopped' ? 'none' : (this.state.request?.kind ?? 'none')
  }

  give(input: Input): this {
    const stepped = step(this.state, input, this.options, this.now, () => this.random)
    this.state = stepped.state
    this.#wakeAtMs = stepped.wakeAtMs
    this.effects.push(...stepped.effects)
    this.#sent.push(...stepped.effects.filter(({ type }) => type === 'read' || type === 'write'))
    return this
  }

  /** Lets time go on, on both clocks, and wakes the machine whenever it asked for that. */
  pass(ms: number): this {
    const endMs = this.now.monotonicMs + ms
    for (let count = 0; this.#wakeAtMs <= endMs; count += 1) {
      if (count >= 1000) throw new Error('the machine does not come to rest')
      this.#goTo(Math.max(this.#wakeAtMs, this.now.monotonicMs))
      this.give({ type: 'tick' })
    }
    this.#goTo(endMs)
    return this.give({ type: 'tick' })
  }

  /** What a person or a time server does to the wall clock. */
  stepWall(ms: number): this {
    this.now = { ...this.now, wallMs: this.now.wallMs + ms }
    return this
  }

  #goTo(monotonicMs: number): void {
    this.now = { monotonicMs, wallMs: this.now.wallMs + monotonicMs - this.now.monotonicMs }
  }

  /** Lets the request that waits reach the API server, and returns what it says: nobody has heard that yet. */
  land(): Reply {
    const sent = this.#sent.at(-1)
    if (this.state.request === undefined || !sent) throw new Error('no request waits')
    if (sent.type === 'write') return this.api.write(sent.method, sent.lease)
    return this.api.read()
  }

  answer(answer: Answer): this {
    const request = this.state.request?.id
    if (request === undefined) throw new Error('no request waits for an answer')
    return this.give({ type: 'answer', request, answer })
  }

  /** No answer came in time. */
  fail(): this {
    return this.answer({ kind: 'failure', why: 'no answer within 1 s' })
  }

  /** Serves the requests that wait, and those that follow from their answers, until none does. */
  serve(): this {
    for (let count = 0; this.pending !== 'none'; count += 1) {
      if (count >= 20) throw new Error('the machine asks for ever')
      this.answer(answerOf(this.land()))
    }
    return this
  }

  /** Lets the watch tell everything that happened, in order. */
  watch(): this {
    const events = this.#events
    this.#events = []
    for (const event of events) this.give(event)
    return this
  }

  /** Takes what the watch would have told next. */
  nextEvent(): Input {
    const event = this.#events.shift()
    if (!event) throw new Error('nothing happened')
    return event
  }

  /** A watch that is dead and does not look so. */
  forgetEvents(): this {
    this.#events = []
    return this
  }

  /** Lets time go on while the API server is well. */
  live(ms: number, everyMs = 50): this {
    for (let passedMs = 0; passedMs < ms; passedMs += everyMs)
      this.pass(Math.min(everyMs, ms - passedMs))
        .serve()
        .watch()
    return this
  }
}

export function answerOf(reply: Reply): Answer {
  switch (reply.status) {
    case 200:
      return { kind: 'lease', lease: recordOf(reply.lease) }
    case 404:
      return { kind: 'absent' }
    case 409:
      return { kind: 'conflict' }
    case 503:
      return { kind: 'failure', why: '503' }
  }
}

let microsecond = 0
/** A renewal that differs from every one before. */
export function renewTime(): string {
  microsecond += 1
  return `2026-01-02T03:04:05.${String(microsecond).padStart(6, '0')}Z`
}

/** A standby of a leader that is alive: it has read the Lease and is ready. */
export function standby(options: Partial<MachineOptions> = {}): Play {
  const play = new Play(options)
  play.api.write('create', leaseOf({ holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() }))
  play.give({ type: 'tick' }).serve().watch().give({ type: 'prepared', value: true })
  play.took()
  return play
}

/** The leader renews. */
export function renewedByOther(play: Play): Play {
  play.api.edit({ spec: { renewTime: renewTime() } })
  return play
}

/** A replica that leads since this moment, and has two standbys of which one is ready. */
export function leader(options: Partial<MachineOptions> = {}): Play {
  const play = new Play(options)
  play.give({ type: 'tick' }).give({ type: 'prepared', value: true }).serve().watch()
  play.give({
    type: 'standbys',
    standbys: [
      { pod: 'pod-b', ready: true, reaches: true },
      { pod: 'pod-c', ready: false },
    ],
  })
  play.took()
  return play
}

/** Ends the work that was told to, as the main thread would. */
export function endWork(play: Play): Play {
  const epoch = play.state.work?.epoch
  if (epoch === undefined) throw new Error('no work runs')
  return play.give({ type: 'work-ended', epoch })
}
