import { stallSeconds } from '@regent/contract/election.ts'
import { identityText } from '../../../src/election/identity.ts'
import { type LeaseObject, type LeaseRecord, parseLease } from '../../../src/election/lease-record.ts'
import { isReady, step } from '../../../src/election/machine.ts'
import type { Instant } from '../../../src/election/clock.ts'
import {
  type Answer,
  type Effect,
  initialState,
  type Input,
  type MachineOptions,
  type State,
} from '../../../src/election/state.ts'
import type { Reply } from './api-server.ts'
import type { World } from './world.ts'

/** How a replica's requests fare. */
export type Link =
  | 'well'
  /** Refused at once, by nobody listening. */
  | 'refused'
  /** Answered at once with what only a person can mend: no permission. */
  | 'forbidden'
  /** Lost on the way there: never takes effect. */
  | 'lost'
  /** Takes effect, its answer is lost. */
  | 'unanswered'
  /** Held back on the way, and let go seconds after everybody has given up on it. */
  | 'frozen'
  /** Answered shortly before the time limit. */
  | 'slow'

/** How often a process looks at its clocks when nothing happens, in milliseconds. */
const beatMs = 250

export function record(lease: LeaseObject): LeaseRecord {
  const parsed = parseLease(lease)
  if (!parsed) throw new Error('the API server gave something that is no Lease')
  return parsed
}

/** One process of the agent: the machine, its clocks, its links, and a main thread that works. */
export class Replica {
  readonly options: MachineOptions
  state: State = initialState()
  link: Link = 'well'
  /** The watch tells nothing any more, although its connection stands. */
  watchIsDeaf = false
  alive = true
  paused = false
  /** What it said last of itself to whoever leads. */
  saysReady = false
  /** Work of this epoch runs, provably or not. */
  working: bigint | undefined
  /** It led a Lease that was deleted, and one who had never seen it created another. */
  isOvertaken = false
  allowed: { readonly epoch: bigint; readonly until: Instant } | undefined
  stepMs = 0
  readonly #world: World
  readonly #drift: number
  #hungSinceMs: number | undefined
  #watchGeneration = 0
  #pending: (() => void)[] = []
  #frozenMs = 0
  #wakeAtMs = Infinity

  constructor(world: World, options: MachineOptions) {
    this.#world = world
    this.options = options
    this.#drift = 1 + (world.random() - 0.5) * 0.01
  }

  get name(): string {
    return identityText(this.options.identity)
  }

  get now(): Instant {
    const elapsedMs = this.#world.events.nowMs * this.#drift
    return { monotonicMs: elapsedMs - this.#frozenMs, wallMs: 1_700_000_000_000 + elapsedMs + this.stepMs }
  }

  /** The main thread hangs: it neither ends its work nor answers. */
  get hung(): boolean {
    return this.#hungSinceMs !== undefined
  }

  set hung(hangs: boolean) {
    this.#hungSinceMs = hangs ? (this.#hungSinceMs ?? this.#world.events.nowMs) : undefined
  }

  /** Whether an effect that the work tries now would get past `assert`. */
  get canAct(): boolean {
    const { allowed, now } = this
    if (!this.alive || this.paused || this.working === undefined || allowed?.epoch !== this.working) return false
    return now.monotonicMs < allowed.until.monotonicMs && now.wallMs < allowed.until.wallMs
  }

  start(): void {
    const { random, events } = this.#world
    this.openWatch()
    this.give({ type: 'revision', isNewest: random() < 0.7 })
    events.after(random() * 300, () => this.give({ type: 'prepared', value: true }))
    this.#heartbeat()
  }

  /** The work ends without having been told to: by saying first that it failed, or by returning. */
  failWork(): void {
    const epoch = this.working
    if (epoch === undefined || this.hung || this.paused) return
    if (this.#world.random() < 0.5) this.give({ type: 'work-failed', epoch })
    this.#endWork(epoch, this.#world.random() * 500)
  }

  /** Runs when the process does: at once, or after its pause. */
  give(input: Input): void {
    if (!this.alive) return
    if (this.paused) {
      this.#pending.push(() => this.give(input))
      return
    }
    const stepped = step(this.state, input, this.options, this.now, this.#world.random)
    this.state = stepped.state
    for (const effect of stepped.effects) this.#do(effect)
    this.#wakeAt(stepped.wakeAtMs)
    this.#announce()
    this.#world.check()
  }

  #announce(): void {
    const ready = isReady(this.state, this.options, this.now.monotonicMs)
    if (ready === this.saysReady) return
    this.saysReady = ready
    this.#world.announced()
  }

  /** @param clocksStop a paused virtual machine: its monotonic clock stands still, its wall clock may jump after */
  pause(ms: number, clocksStop: boolean): void {
    if (!this.alive || this.paused) return
    this.paused = true
    this.#world.events.after(ms, () => {
      if (clocksStop) this.#frozenMs += ms
      this.paused = false
      const pending = this.#pending
      this.#pending = []
      // What was waiting is handled in any order.
      for (const run of pending.sort(() => this.#world.random() - 0.5)) run()
      this.give({ type: 'tick' })
    })
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    this.working = undefined
    this.#world.died(this)
  }

  openWatch(): void {
    this.#watchGeneration += 1
    const generation = this.#watchGeneration
    this.#world.events.after(5, () => {
      if (generation !== this.#watchGeneration || !this.#isWatching) return
      this.watchIsDeaf = false
      const { lease } = this.#world.api
      if (lease) this.#deliver({ type: 'event', lease: record(lease) }, generation)
    })
  }

  /** What the API server's watch has to tell. */
  changed(lease: LeaseObject | undefined, version: number): void {
    if (this.watchIsDeaf || !this.#isWatching) {
      // A broken connection loses what it carried; the machine must notice by the silence.
      this.watchIsDeaf = true
      return
    }
    const input: Input = lease ? { type: 'event', lease: record(lease) } : { type: 'deleted', version: BigInt(version) }
    this.#deliver(input, this.#watchGeneration)
  }

  /** A slow connection still delivers, seconds late and in any order, which is more than a real one does. */
  get #isWatching(): boolean {
    return this.link === 'well' || this.link === 'slow'
  }

  #deliver(input: Input, generation: number): void {
    const mostMs = this.link === 'slow' ? 2000 : 20
    this.#world.events.after(1 + this.#world.random() * mostMs, () => {
      if (generation === this.#watchGeneration && !this.watchIsDeaf) this.give(input)
    })
  }

  #do(effect: Effect): void {
    const { api } = this.#world
    switch (effect.type) {
      case 'read':
        return this.#request(effect.request, () => api.read())
      case 'write':
        return this.#request(effect.request, () => api.write(effect.method, effect.lease))
      case 'rewatch':
        return this.openWatch()
      case 'allow':
        this.allowed = effect
        return
      case 'forbid':
        this.allowed = undefined
        return
      case 'begin':
        return this.#world.began(this, effect.reign, effect.resumed)
      case 'drain':
        return this.#endWork(effect.epoch, this.#world.random() * 1.3 * this.options.drainBudgetSeconds * 1000)
      case 'end':
        return this.#endWork(effect.epoch, this.#world.random() * 0.9 * this.options.timing.abortBudgetSeconds * 1000)
      case 'kill':
        return this.kill()
      case 'confirm-death':
        return this.#world.confirmDeath(this)
      case 'stopped':
        this.alive = false
        this.#world.died(this)
    }
  }

  #endWork(epoch: bigint, afterMs: number): void {
    const end = (): void => {
      if (this.working !== epoch || !this.alive) return
      if (this.hung || this.paused) return this.#world.events.after(50, end)
      this.working = undefined
      this.give({ type: 'work-ended', epoch })
    }
    this.#world.events.after(afterMs, end)
  }

  #request(id: number, run: () => Reply): void {
    const { events, random } = this.#world
    const answer = (afterMs: number, reply: Answer): void =>
      events.after(afterMs, () => this.give({ type: 'answer', request: id, answer: reply }))
    const failure: Answer = { kind: 'failure', why: 'no answer' }
    switch (this.link) {
      case 'refused':
        return answer(2, failure)
      case 'forbidden':
        return answer(2, { kind: 'refused', why: '403' })
      case 'lost':
        return answer(1000, failure)
      case 'frozen':
        events.after(1000 + random() * 15_000, run)
        return answer(1000, failure)
      case 'unanswered':
        events.after(1 + random() * 900, run)
        return answer(1000, failure)
      case 'slow':
      case 'well': {
        const there = this.link === 'slow' ? random() * 900 : 1 + random() * 10
        const back = this.link === 'slow' ? random() * (990 - there) : 1 + random() * 10
        events.after(there, () => answer(back, answerOf(run())))
      }
    }
  }

  #heartbeat(): void {
    const { events } = this.#world
    const beat = (): void => {
      if (!this.alive) return
      const stalled = events.nowMs - (this.#hungSinceMs ?? events.nowMs) > stallSeconds * 1000
      if (stalled !== this.state.stalled) this.give({ type: 'stalled', value: stalled })
      else this.give({ type: 'tick' })
      events.after(beatMs, beat)
    }
    events.after(beatMs, beat)
  }

  #wakeAt(monotonicMs: number): void {
    if (monotonicMs === Infinity || monotonicMs >= this.#wakeAtMs) return
    this.#wakeAtMs = monotonicMs
    const delayMs = Math.max(0, (monotonicMs - this.now.monotonicMs) / this.#drift) + 0.01
    this.#world.events.after(delayMs, () => {
      if (this.#wakeAtMs === monotonicMs) this.#wakeAtMs = Infinity
      this.give({ type: 'tick' })
    })
  }
}

function answerOf(reply: Reply): Answer {
  switch (reply.status) {
    case 200:
      return { kind: 'lease', lease: record(reply.lease) }
    case 404:
      return { kind: 'absent' }
    case 409:
      return { kind: 'conflict' }
    case 503:
      return { kind: 'failure', why: '503' }
  }
}
