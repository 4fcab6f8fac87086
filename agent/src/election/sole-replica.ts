import { EventEmitter } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Backoff } from './backoff.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Election, ElectionEvents, ElectionStatus, Role } from './election.ts'
import type { LeaderWork } from './leader-work.ts'
import { SoleReign } from './sole-reign.ts'

export interface SoleReplicaOptions {
  /** `podName_podUID_bootUUID` of this process. */
  readonly holder: string
  /** How long a stop may let the work finish, in seconds. */
  readonly drainBudgetSeconds: number
  /** How long the work may take to end once it was told to, in seconds. */
  readonly abortBudgetSeconds: number
  /** @default the system's */
  readonly clock?: Clock
  /** Bounds of the wait before work that failed is tried again. @default from 0.5 s to 30 s */
  readonly retry?: { readonly firstMs: number; readonly longestMs: number; readonly stableMs: number }
}

/**
 * The election of one who stands alone (`ENABLE_HA=false`): it leads as soon as its work is prepared, without a Lease
 * and without asking the API server. Its epoch is the time at which it began to lead, in microseconds.
 *
 * Not guaranteed: that it *is* alone. Two such agents with one id both lead; Kubernetes keeps to one replica
 * (`Recreate`), except while a node that was lost comes back. Epochs grow as long as the clock is not set back, and
 * across nodes as far as their clocks agree. Nothing fences its writes: who needs that turns the election on.
 */
export class SoleReplica extends EventEmitter<ElectionEvents> implements Election {
  readonly silentSeconds = 0
  readonly #options: SoleReplicaOptions
  readonly #works: readonly LeaderWork[]
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  #role: Role = 'starting'
  #prepared = false
  #reign: SoleReign | undefined
  #epoch = 0n
  #running: Promise<boolean> | undefined

  constructor(options: SoleReplicaOptions, works: readonly LeaderWork[]) {
    super()
    this.#options = options
    this.#works = works
    this.#clock = options.clock ?? systemClock
    this.#backoff = new Backoff(options.retry ?? { firstMs: 500, longestMs: 30_000, stableMs: 60_000 })
  }

  get status(): ElectionStatus {
    return {
      role: this.#role,
      // There is no Lease to read.
      synced: true,
      prepared: this.#prepared,
      cordoned: false,
      ...(this.#reign !== undefined && { holder: this.#options.holder }),
      ...(this.#epoch > 0n && { epoch: this.#epoch }),
    }
  }

  /** No renewal is needed: while it leads, nothing runs out. */
  get remainingSeconds(): number {
    return this.#role === 'leading' || this.#role === 'draining' ? Infinity : 0
  }

  start(): void {
    if (this.#running !== undefined) throw new Error('the election was started already; one process starts it once')
    this.#running = this.#run()
  }

  async stop(): Promise<boolean> {
    this.#stop.abort()
    if (this.#reign !== undefined) {
      this.#become('draining')
      this.#reign.drain()
    }
    const isOver = (await this.#running) ?? true
    this.#become('stopped')
    return isOver
  }

  yield(why: string): void {
    this.emit('notice', 'debug', 'yield-ignored', { message: 'there is no other replica to yield to', why })
  }

  /** Nobody is there who would want to know. */
  reach(): void {}

  /** There is no Lease on which it could be told. */
  link(): void {}

  /** Nobody else could hold what there is not: it leads as long as it has not ended. */
  verify(): Promise<boolean> {
    return Promise.resolve(this.#reign !== undefined)
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  #become(role: Role): void {
    this.#role = role
    this.emit('status', this.status)
  }

  /** Resolves with whether no work runs any more. */
  async #run(): Promise<boolean> {
    await Promise.all(this.#works.map((work) => this.#prepare(work)))
    if (this.#isStopping()) return true
    this.#prepared = true
    let isOver = true
    for (let reigns = 0; !this.#isStopping() && isOver; reigns += 1) {
      this.#backoff.began(this.#clock.now().monotonicMs)
      isOver = await this.#lead(reigns === 0 ? 'first' : 'work-failed')
      if (isOver && !this.#isStopping()) await this.#waitAfterFailure()
    }
    // Work that does not end may still act: whoever runs this process ends it.
    if (!isOver) this.#become('stopped')
    return isOver
  }

  async #prepare(work: LeaderWork): Promise<void> {
    const backoff = new Backoff(this.#options.retry ?? { firstMs: 500, longestMs: 30_000, stableMs: 60_000 })
    while (!this.#isStopping()) {
      try {
        await work.prepare?.(this.#stop.signal)
        return
      } catch (error) {
        if (this.#isStopping()) return
        this.emit('notice', 'warn', 'prepare-failed', { work: work.name, reason: String(error) })
        await this.#pause(backoff.nextDelayMs(this.#clock.now().monotonicMs))
      }
    }
  }

  /** One reign. Resolves with whether every work of it has ended. */
  async #lead(reason: 'first' | 'work-failed'): Promise<boolean> {
    const { wallMs } = this.#clock.now()
    const now = BigInt(Math.trunc(wallMs)) * 1000n
    this.#epoch = now > this.#epoch ? now : this.#epoch + 1n
    const reign = new SoleReign(this.#epoch, this.#options.holder, reason, new Date(wallMs))
    this.#reign = reign
    this.#become('leading')
    this.emit('leading', reign, { resumed: false })

    const drained = new Promise<'drained'>((resolve) =>
      reign.draining.addEventListener('abort', () => resolve('drained'), { once: true }),
    )
    const works = this.#works.map((work) => this.#led(work, reign))
    const isDraining = (await Promise.race([drained, ...works])) === 'drained'
    const all = Promise.all(works)
    let isOver = isDraining && (await within(all, this.#options.drainBudgetSeconds))
    if (!isOver) {
      // Without drain: a work failed, and the others are not to go on without it.
      reign.end(isDraining ? 'drained' : 'lost')
      isOver = await within(all, this.#options.abortBudgetSeconds)
    }
    const inTime = !reign.signal.aborted
    reign.end('lost')
    this.#reign = undefined
    if (isOver) {
      this.emit('ended', { epoch: reign.epoch, reason: !isDraining ? 'work-failed' : inTime ? 'released' : 'drained' })
    } else this.emit('notice', 'error', 'work-does-not-end', { epoch: reign.epoch.toString() })
    return isOver
  }

  /** Resolves when the work has ended, however. */
  async #led(work: LeaderWork, reign: SoleReign): Promise<'ended'> {
    let failure = 'it returned although it was not told to'
    try {
      await work.lead(reign)
    } catch (error) {
      failure = String(error)
    }
    if (!reign.draining.aborted && !reign.signal.aborted) {
      this.emit('notice', 'error', 'work-failed', { work: work.name, reason: failure })
    }
    return 'ended'
  }

  async #waitAfterFailure(): Promise<void> {
    this.#become('standby')
    await this.#pause(this.#backoff.nextDelayMs(this.#clock.now().monotonicMs))
  }

  /** Waits, but not beyond a stop. */
  async #pause(milliseconds: number): Promise<void> {
    await pause(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}

/** Whether a promise settles in time. */
async function within(promise: Promise<unknown>, seconds: number): Promise<boolean> {
  const timer = new AbortController()
  try {
    const late = pause(seconds * 1000, 'late', { signal: timer.signal }).catch(() => 'late')
    return (await Promise.race([promise, late])) !== 'late'
  } finally {
    timer.abort()
  }
}
