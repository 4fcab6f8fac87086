import { EventEmitter } from 'node:events'
import type { LinkState } from '@regent/contract/takeover.ts'
import type { Election, ElectionEvents, ElectionStatus } from '../../src/election/election.ts'
import type { Leadership } from '../../src/election/leadership.ts'

/** An election that does what a test tells it. It refuses what no election may be asked. */
export class ScriptedElection extends EventEmitter<ElectionEvents> implements Election {
  status: ElectionStatus = { role: 'standby', synced: true, prepared: true, cordoned: false }
  silentSeconds = 0
  remainingSeconds = 0
  /** What `stop` resolves with. */
  readonly stopping = Promise.withResolvers<boolean>()
  starts = 0
  stops = 0

  start(): void {
    if (this.starts > 0) throw new Error('the election was started twice')
    this.starts += 1
  }

  stop(): Promise<boolean> {
    if (this.starts === 0) throw new Error('the election was stopped before it was started')
    this.stops += 1
    this.become({ role: 'draining' })
    return this.stopping.promise
  }

  /** Why it was asked to yield. */
  readonly yields: string[] = []
  /** What it was told of the control plane. */
  readonly reached: boolean[] = []
  /** How it stood with the control plane, as it was told. */
  readonly links: LinkState[] = []
  /** What `verify` resolves with; the tests of it exchange it. */
  verification: () => Promise<boolean> = () => Promise.resolve(true)

  yield(why: string): void {
    this.yields.push(why)
  }

  reach(controlPlane: boolean): void {
    this.reached.push(controlPlane)
  }

  link(state: LinkState): void {
    this.links.push(state)
  }

  verify(): Promise<boolean> {
    return this.verification()
  }

  become(changes: Partial<ElectionStatus>): void {
    this.status = { ...this.status, ...changes }
    this.emit('status', this.status)
  }
}

/** A leadership under a test's control: `drain`, `end` and `lose` are what the election would do. */
export class ScriptedLeadership implements Leadership {
  readonly epoch: bigint
  readonly lineage = '0f0f0f0f-0000-4000-8000-000000000000'
  readonly holder = 'regent-agent-local-0_6f1c6a52-0000-4000-8000-000000000000_6f1c6a52-0000-4000-8000-000000000001'
  readonly reason = 'expired'
  readonly since: Date
  readonly phases = { detected: 6100, acquired: 6150 }
  readonly #drain = new AbortController()
  readonly #end = new AbortController()
  readonly draining = this.#drain.signal
  readonly signal = this.#end.signal
  /** How often it was asked whether it still holds. */
  assertions = 0
  /** What the next assertions throw, as after a pause in which nothing was delivered. */
  refusal: Error | undefined

  constructor(epoch = 42n, since = new Date()) {
    this.epoch = epoch
    this.since = since
  }

  assert(): void {
    this.assertions += 1
    if (this.refusal !== undefined) throw this.refusal
  }

  drain(): void {
    this.#drain.abort()
  }

  end(reason: 'suspended' | 'lost' | 'drained' = 'lost'): void {
    this.#end.abort(reason)
  }
}
