import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import { setTimeout as pause } from 'node:timers/promises'
import type { LinkState } from '@regent/contract/takeover.ts'
import { Backoff } from './backoff.ts'
import { systemClock } from './clock.ts'
import type { Election, ElectionEvents, ElectionStatus } from './election.ts'
import { identityText } from './identity.ts'
import type { LeaderWork } from './leader-work.ts'
import { LeaseReign } from './lease-reign.ts'
import { processKiller } from './process-killer.ts'
import { ReignWatchdog } from './reign-watchdog.ts'
import { SharedDeadline } from './shared-deadline.ts'
import type { ElectorOptions, FromElector, ToElector } from './thread-messages.ts'

export type LeaseElectionOptions = Omit<ElectorOptions, 'deadline'>

/** How often the main thread shows the elector's that it lives, and looks whether that one does, in milliseconds. */
const beatMs = 100
/** Waits between attempts to prepare a work. */
const prepareBackoff = { firstMs: 100, longestMs: 30_000, stableMs: 60_000 }

/**
 * An election by a Lease. What decides runs in a thread of its own; this side runs the work of the leader, and shows
 * that it is alive. Each of the two threads ends the work or the process where the other one hangs or gets no CPU.
 *
 * Guaranteed, as long as clocks drift by less than a percent and the process is not paused without any clock of it
 * advancing: no two replicas' work runs at once. A leader that cannot renew has stopped, or was killed, a second
 * before another may begin.
 *
 * Not guaranteed: anything about requests that are on their way when a leader ends. They are refused by the admission
 * fence and by the control plane, which is why work writes through them. The same goes for all that has begun in a
 * process of which neither thread gets any CPU: nothing ends it before one does. Nor that nobody else believes to lead
 * where evidence of death was forged, or where the Lease was edited by hand.
 */
export class LeaseElection extends EventEmitter<ElectionEvents> implements Election {
  readonly #options: LeaseElectionOptions
  readonly #works: readonly LeaderWork[]
  readonly #deadline = new SharedDeadline()
  readonly #watchdog: ReignWatchdog
  readonly #stopping = new AbortController()
  readonly #stopped = Promise.withResolvers<boolean>()
  #worker: Worker | undefined
  #beat: NodeJS.Timeout | undefined
  #reign: LeaseReign | undefined
  #isPrepared = false
  readonly #questions = new Map<number, (holds: boolean) => void>()
  #asked = 0
  #status: ElectionStatus = { role: 'starting', synced: false, prepared: false, cordoned: false }

  constructor(options: LeaseElectionOptions, works: readonly LeaderWork[]) {
    super()
    this.#options = options
    this.#works = works
    this.#watchdog = new ReignWatchdog({
      deadline: this.#deadline,
      abortBudgetSeconds: options.machine.timing.abortBudgetSeconds,
      kill: processKiller(options, 'main'),
      onEnded: (epoch, silentSeconds) => this.#tellOfSilence(epoch, silentSeconds),
    })
  }

  get status(): ElectionStatus {
    return this.#status
  }

  get silentSeconds(): number {
    return this.#deadline.silentMs('elector', systemClock.now()) / 1000
  }

  get remainingSeconds(): number {
    return this.#deadline.remainingMs(systemClock.now()) / 1000
  }

  start(): void {
    this.#deadline.beat('elector', systemClock.now())
    this.#lookAround()
    this.#beat = setInterval(() => this.#lookAround(), beatMs)
    const workerData: ElectorOptions = { ...this.#options, deadline: this.#deadline.buffer }
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData, name: 'elector' })
    this.#worker.on('message', (message: FromElector) => this.#hear(message))
    let cause: unknown
    this.#worker.on('error', (error: unknown) => (cause = error))
    // Without its elector the process must end: nobody renews, and nobody would stop its work.
    this.#worker.on('exit', (code) => {
      if (this.#status.role !== 'stopped') throw new Error(`the elector's thread ended with code ${code}`, { cause })
    })
    void this.#prepare()
  }

  async stop(): Promise<boolean> {
    this.#stopping.abort()
    if (!this.#worker) return true
    this.#say({ type: 'stop' })
    const isOver = await this.#stopped.promise
    clearInterval(this.#beat)
    await this.#worker.terminate()
    return isOver
  }

  yield(why: string): void {
    this.emit('notice', 'debug', 'yielding', { why })
    this.#say({ type: 'yield' })
  }

  reach(controlPlane: boolean): void {
    this.#say({ type: 'reach', controlPlane })
  }

  link(state: LinkState): void {
    this.#say({ type: 'link', state })
  }

  verify(): Promise<boolean> {
    if (!this.#worker || this.#status.role === 'stopped') return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#asked += 1
    this.#questions.set(this.#asked, resolve)
    this.#say({ type: 'verify', id: this.#asked })
    return promise
  }

  /** Shows that this thread lives, and looks whether the elector's has left a reign alone. */
  #lookAround(): void {
    this.#deadline.beat('main', systemClock.now())
    if (this.#reign) this.#watchdog.look(this.#reign)
  }

  #tellOfSilence(epoch: bigint, silentSeconds: number): void {
    this.emit('notice', 'warn', 'elector-silent', {
      message: 'the work was told to end, because the Lease was not renewed in time and nobody said so',
      epoch: epoch.toString(),
      silentSeconds,
    })
  }

  #answer(id: number, holds: boolean): void {
    this.#questions.get(id)?.(holds)
    this.#questions.delete(id)
  }

  #say(message: ToElector): void {
    this.#worker?.postMessage(message)
  }

  #hear(message: FromElector): void {
    switch (message.type) {
      case 'status':
        this.#status = { ...message.status, prepared: this.#isPrepared }
        this.emit('status', this.#status)
        return
      case 'begin':
        return this.#begin(message)
      case 'drain':
        if (this.#reign?.epoch === message.epoch) this.#reign.drain()
        return
      case 'end':
        if (this.#reign?.epoch === message.epoch) this.#reign.end(message.reason)
        return
      case 'verified':
        return this.#answer(message.id, message.holds)
      case 'stopped':
        for (const id of this.#questions.keys()) this.#answer(id, false)
        this.#status = { ...this.#status, role: 'stopped' }
        this.emit('status', this.#status)
        this.#stopped.resolve(true)
        return
      case 'event':
        // Name and arguments were typed together where they were sent.
        ;(this as EventEmitter).emit(message.name, ...message.args)
    }
  }

  #begin({ reign, ticket, lineage, resumed }: FromElector & { type: 'begin' }): void {
    const holder = identityText(this.#options.machine.identity)
    const leadership = new LeaseReign({ reign, ticket, lineage, holder, deadline: this.#deadline })
    this.#reign = leadership
    this.emit('leading', leadership, { resumed })
    void this.#lead(leadership)
  }

  /** Runs all works of a reign, and says when no effect of it can follow. */
  async #lead(leadership: LeaseReign): Promise<void> {
    const isTold = (): boolean => leadership.signal.aborted || leadership.draining.aborted
    const lead = async (work: LeaderWork): Promise<void> => {
      let failure = 'it returned although it was not told to'
      try {
        await work.lead(leadership)
      } catch (error) {
        failure = String(error)
      }
      if (isTold()) return
      this.emit('notice', 'error', 'work-failed', { work: work.name, reason: failure })
      this.#say({ type: 'work-failed', epoch: leadership.epoch })
    }
    await Promise.all(this.#works.map(lead))
    const reason = leadership.endReason
    leadership.end('lost')
    if (this.#reign === leadership) this.#reign = undefined
    this.#say({ type: 'work-ended', epoch: leadership.epoch, ...(reason !== undefined && { reason }) })
  }

  async #prepare(): Promise<void> {
    const prepared = await Promise.all(this.#works.map((work) => this.#prepareOne(work)))
    if (!prepared.every(Boolean)) return
    this.#isPrepared = true
    this.#status = { ...this.#status, prepared: true }
    this.#say({ type: 'prepared' })
    this.emit('status', this.#status)
  }

  /** Resolves with whether the work is prepared; without, the replica stops. */
  async #prepareOne(work: LeaderWork): Promise<boolean> {
    const { signal } = this.#stopping
    const isStopping = (): boolean => signal.aborted
    const backoff = new Backoff(prepareBackoff)
    while (!isStopping()) {
      try {
        await work.prepare?.(signal)
        return true
      } catch (error) {
        if (isStopping()) return false
        this.emit('notice', 'warn', 'prepare-failed', { work: work.name, reason: String(error) })
        await pause(backoff.nextDelayMs(systemClock.now().monotonicMs), undefined, { signal }).catch(() => undefined)
      }
    }
    return false
  }
}
