import { AsyncLocalStorage } from 'node:async_hooks'
import type { Events } from '../../../agent/test/election/model/events.ts'

const running = new AsyncLocalStorage<Thread>()

/** The simulated thread whose code runs at the moment; none where the simulator itself does. */
export function runningThread(): Thread | undefined {
  return running.getStore()
}

/** The same for what is only ever called by a simulated program. @throws where none runs */
export function mustRun(): Thread {
  const thread = running.getStore()
  if (thread === undefined) throw new Error('this was called outside of every simulated process')
  return thread
}

/** What a process needs of the world that it is in. */
export interface Surroundings {
  readonly events: Events
  readonly random: () => number
  /** Something in a program threw where nobody caught it: the real process would have ended. */
  readonly crashed: (process: SimulatedProcess, error: unknown) => void
}

/** A timer as Node's programs see it. */
export class SimulatedTimer {
  isOver = false
  readonly repeatMs: number | undefined
  readonly run: () => void

  constructor(run: () => void, repeatMs: number | undefined) {
    this.run = run
    this.repeatMs = repeatMs
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  refresh(): never {
    throw new Error('the simulation has no timers that are refreshed')
  }
}

/**
 * One process of the simulated world, with clocks of its own. Its code runs only through its threads: not at all after
 * its death, and not before its pause is over.
 */
export class SimulatedProcess {
  readonly name: string
  readonly world: Surroundings
  readonly main: Thread
  /** What the kernel does when it ends: connections are closed. */
  readonly onEnd = new Set<() => void>()
  /** What it is in its world, for what replaces modules of programs. */
  readonly place: unknown
  wallSkewMs: number
  isAlive = true
  #isPaused = false
  readonly #rate: number
  readonly #monotonicOffsetMs: number
  readonly #threads: Thread[] = []

  constructor(name: string, world: Surroundings, place: unknown) {
    this.name = name
    this.world = world
    this.place = place
    this.#rate = 0.95 + world.random() * 0.1
    this.#monotonicOffsetMs = world.random() * 1e6 - world.events.nowMs * this.#rate
    this.wallSkewMs = (world.random() - 0.5) * 2000
    this.main = this.thread()
  }

  thread(): Thread {
    const thread = new Thread(this)
    this.#threads.push(thread)
    return thread
  }

  get monotonicMs(): number {
    return this.#monotonicOffsetMs + this.world.events.nowMs * this.#rate
  }

  get wallMs(): number {
    return 1_700_000_000_000 + this.world.events.nowMs + this.wallSkewMs
  }

  /** How long so much of its own time takes in the world, in milliseconds. */
  inWorldMs(ownMs: number): number {
    return ownMs / this.#rate
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** SIGSTOP: no code runs; what would have run meanwhile runs at once afterwards. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const thread of this.#threads) thread.catchUp()
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const end of this.onEnd) end()
    this.onEnd.clear()
  }
}

/** An event loop of a process. */
export class Thread {
  readonly process: SimulatedProcess
  readonly #held: (() => void)[] = []
  #isHung = false

  constructor(process: SimulatedProcess) {
    this.process = process
  }

  /** Runs code of this thread: now, after its pause, or never if it has ended. */
  run(work: () => void): void {
    const { isAlive, isPaused, world } = this.process
    if (!isAlive) return
    if (isPaused || this.#isHung || this.#held.length > 0) {
      this.#held.push(work)
      return
    }
    try {
      running.run(this, work)
    } catch (error) {
      world.crashed(this.process, error)
    }
  }

  /** Something of this thread that is ready after so much time of the world. */
  deliver(inWorldMs: number, work: () => void): void {
    this.process.world.events.after(inWorldMs, () => this.run(work))
  }

  /** A timer by the clock of the process; whichever of those that are due comes first is left to chance. */
  timer(ownMs: number, work: () => void, repeats = false): SimulatedTimer {
    const wholeMs = Math.max(1, Math.trunc(Number.isFinite(ownMs) ? ownMs : 1))
    const timer = new SimulatedTimer(work, repeats ? wholeMs : undefined)
    this.#start(timer, wholeMs)
    return timer
  }

  /** The thread does not come to its event loop. */
  hang(): void {
    this.#isHung = true
  }

  goOn(): void {
    this.#isHung = false
    this.catchUp()
  }

  /** Runs what was held back, each in a turn of its own. */
  catchUp(): void {
    if (this.process.isPaused || this.#isHung || this.#held.length === 0) return
    this.process.world.events.after(0, () => {
      if (this.process.isPaused || this.#isHung) return
      const [next, ...rest] = this.#held.splice(0)
      if (next !== undefined) this.run(next)
      this.#held.unshift(...rest)
      this.catchUp()
    })
  }

  #start(timer: SimulatedTimer, ownMs: number): void {
    const { process } = this
    const lateMs = process.world.random() * 0.5
    process.world.events.after(process.inWorldMs(ownMs) + lateMs, () => {
      if (timer.isOver || !process.isAlive) return
      this.run(() => {
        if (timer.isOver) return
        if (timer.repeatMs === undefined) timer.isOver = true
        else this.#start(timer, timer.repeatMs)
        timer.run()
      })
    })
  }
}
