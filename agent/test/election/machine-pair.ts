import { leaseAnnotations } from '@regent/contract/names.ts'
import { endWork, Play } from './machine-play.ts'

/** How finely time goes on, in milliseconds. */
const stepMs = 10

/** Two replicas of one agent, and the connection over which a standby says whether it is ready. */
export class Pair {
  readonly one = new Play()
  readonly two = new Play({ identity: { pod: 'pod-b', podUid: 'uid-b', boot: 'boot-2' }, node: 'node-b' }, this.one)
  /** For how long nobody led, at most, in milliseconds. */
  longestVacancyMs = 0
  #vacantMs = 0

  /** Lets the first lead and the second stand by. */
  constructor() {
    for (const play of this.both) play.give({ type: 'tick' }).give({ type: 'prepared', value: true }).serve().watch()
    this.live(100)
    this.longestVacancyMs = 0
  }

  get both(): readonly [Play, Play] {
    return [this.one, this.two]
  }

  get leader(): Play | undefined {
    return this.both.find(({ status }) => status.role === 'leading')
  }

  /** Whether the leader knows of a standby that would take over: without one, nobody is asked to hand over. */
  get canHandOver(): boolean {
    return this.leader?.state.standbys.some(({ ready }) => ready) ?? false
  }

  /** Tells the leader to step down, as a person does. */
  stepDown(): this {
    this.one.api.edit({ annotations: { [leaseAnnotations.stepDown]: this.leader?.me ?? '' } })
    return this
  }

  /** Lets time go on while everything is well: requests are answered, the watch tells, and drained work ends at once. */
  live(ms: number): this {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      for (const play of this.both) play.pass(stepMs).serve().watch()
      for (const play of this.both) if (play.state.work?.draining === true) endWork(play).serve()
      this.#announce(this.one, this.two)
      this.#announce(this.two, this.one)
      this.#vacantMs = this.leader === undefined ? this.#vacantMs + stepMs : 0
      this.longestVacancyMs = Math.max(this.longestVacancyMs, this.#vacantMs)
    }
    return this
  }

  #announce(standby: Play, listener: Play): void {
    const { pod } = standby.options.identity
    const [known] = listener.state.standbys
    if (known?.ready === standby.isReady) return
    listener.give({ type: 'standbys', standbys: [{ pod, ready: standby.isReady, reaches: true }] }).serve()
  }
}
