import { electionProfiles, type ElectionTiming } from '@regent/contract/election.ts'
import type { LeaseObject } from '../../../src/election/lease-record.ts'
import type { Reign } from '../../../src/election/state.ts'
import { ModelApiServer } from './api-server.ts'
import { Events, randomOf } from './events.ts'
import { Replica } from './replica.ts'

export interface WorldOptions {
  readonly seed: number
  readonly replicas?: number
  readonly timing?: ElectionTiming
  /** Whether standbys see the connection of a leader that dies close. */
  readonly peerEvidence?: boolean
  /** Whether some of them see it only seconds later. */
  readonly lateEvidence?: boolean
  /** Where a guard on the machine itself cannot see what happens: only the fences hold then. */
  readonly overlapsAllowed?: boolean
  /**
   * Whether the work itself of two may not run at once, asserted or not. It holds where no process hangs or is
   * paused, no clock jumps, and nobody edits the holder by hand.
   */
  readonly workMustNotOverlap?: boolean
}

const drainBudgetSeconds = 3

/** Several replicas, one API server, and a judge that looks after every step. */
export class World {
  readonly events = new Events()
  readonly random: () => number
  readonly api: ModelApiServer
  readonly replicas: Replica[] = []
  /** Who led when: each epoch once, with the process that led it. */
  readonly reigns: { readonly epoch: bigint; readonly by: Replica; readonly atMs: number }[] = []
  /** What must never happen, and did. */
  readonly violations: string[] = []
  /** False while a forged claim of death may make two lead, which only the fences can hold. */
  mustNotOverlap: boolean
  restarts = true
  /** For how long two could act at once, at most, in milliseconds. */
  longestOverlapMs = 0
  /** For how long nobody led, at most, in milliseconds. It may be set back to 0. */
  longestVacancyMs = 0
  #overlapsSinceMs: number | undefined
  #vacantSinceMs: number | undefined
  readonly timing: ElectionTiming
  readonly #options: WorldOptions
  #boots = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.timing = options.timing ?? electionProfiles.fast
    this.random = randomOf(options.seed)
    this.mustNotOverlap = options.overlapsAllowed !== true
    this.api = new ModelApiServer(
      () => this.events.nowMs,
      (lease, version) => this.#changed(lease, version),
    )
    for (let index = 0; index < (options.replicas ?? 3); index += 1) this.#boot(`pod-${index}`)
  }

  get leaders(): readonly Replica[] {
    return this.replicas.filter((replica) => replica.alive && replica.canAct)
  }

  run(ms: number): void {
    this.events.runUntil(this.events.nowMs + ms, 2_000_000)
  }

  began(replica: Replica, { epoch, reason }: Reign, resumed: boolean): void {
    if (replica.working !== undefined) this.#violate(`${replica.name} begins ${epoch} while ${replica.working} runs`)
    replica.working = epoch
    replica.isOvertaken = false
    // Who was started after the Lease was deleted creates it at once: what it may overlap is not guaranteed.
    if (reason === 'first') for (const other of this.replicas) other.isOvertaken = other !== replica
    const newest = this.reigns.at(-1)
    const isResumed = newest?.epoch === epoch && newest.by === replica
    if (resumed !== isResumed && resumed) this.#violate(`${replica.name} resumes ${epoch}, which it did not lead last`)
    if (!isResumed && newest && epoch <= newest.epoch) this.#violate(`epoch ${epoch} after ${newest.epoch} (I3)`)
    if (!isResumed) this.reigns.push({ epoch, by: replica, atMs: this.events.nowMs })
  }

  /** A replica says whether it is ready, or does not say anything any more. */
  announced(): void {
    this.events.after(1 + this.random() * 4, () => this.#tellStandbys())
  }

  died(replica: Replica): void {
    const { pod, podUid } = replica.options.identity
    this.announced()
    if (this.#options.peerEvidence === true) {
      for (const other of this.replicas.filter((other) => other !== replica)) {
        // Most see it at once; some connections were being made again.
        const lateMs = this.#options.lateEvidence === true && this.random() < 0.2 ? this.random() * 4000 : 0
        this.events.after(2 + this.random() * 8 + lateMs, () => this.confirmDeath(other))
      }
    }
    if (this.restarts) this.events.after(500 + this.random() * 3000, () => this.#boot(pod, podUid))
  }

  /** Tells a standby what its connection to the holder's pod would tell it: nothing, or the truth. */
  confirmDeath(standby: Replica): void {
    if (this.#options.peerEvidence !== true) return
    const holder = standby.state.record?.holder
    const dead = this.replicas.find((replica) => replica.name === holder && !replica.alive)
    if (dead) standby.give({ type: 'death', holder: dead.name, by: 'peer', sign: standby.now })
  }

  /** Called after every step of every machine. */
  check(): void {
    this.#measureOverlap()
    this.#measureVacancy()
    if (!this.mustNotOverlap) return
    if (this.#options.workMustNotOverlap === true) {
      const working = this.replicas.filter(({ alive, working }) => alive && working !== undefined)
      this.#checkSingle(working, 'work at once')
    }
    this.#checkSingle(this.leaders, 'may act at once')
  }

  #measureOverlap(): void {
    const { nowMs } = this.events
    if (this.leaders.length < 2) this.#overlapsSinceMs = undefined
    else this.#overlapsSinceMs ??= nowMs
    this.longestOverlapMs = Math.max(this.longestOverlapMs, nowMs - (this.#overlapsSinceMs ?? nowMs))
  }

  #measureVacancy(): void {
    const { nowMs } = this.events
    if (this.leaders.length > 0) this.#vacantSinceMs = undefined
    else this.#vacantSinceMs ??= nowMs
    this.longestVacancyMs = Math.max(this.longestVacancyMs, nowMs - (this.#vacantSinceMs ?? nowMs))
  }

  #checkSingle([one, two]: readonly Replica[], what: string): void {
    if (!one || !two) return
    if (one.isOvertaken || two.isOvertaken) return
    this.#violate(`${one.name} and ${two.name} ${what} (I1)`)
  }

  #boot(pod: string, podUid = `uid-of-${pod}`): void {
    this.#boots += 1
    const index = this.replicas.findIndex(({ options }) => options.identity.podUid === podUid)
    const replica = new Replica(this, {
      identity: { pod, podUid, boot: `boot-${this.#boots}` },
      leaseName: 'regent-agent-model',
      leaseNamespace: 'regent-system',
      timing: this.timing,
      drainBudgetSeconds,
      node: 'node',
      mayRetakeAtOnce: this.random() < 0.8,
    })
    if (index < 0) this.replicas.push(replica)
    else this.replicas[index] = replica
    replica.start()
    this.announced()
  }

  /** The leader knows its standbys by their connections, and by what they say there. */
  #tellStandbys(): void {
    const standbys = this.replicas
      .filter(({ alive }) => alive)
      .map(({ saysReady, options }) => ({ pod: options.identity.pod, ready: saysReady, reaches: true }))
    for (const replica of this.replicas) {
      const others = standbys.filter(({ pod }) => pod !== replica.options.identity.pod)
      replica.give({ type: 'standbys', standbys: others })
    }
  }

  #changed(lease: LeaseObject | undefined, version: number): void {
    for (const replica of this.replicas) if (replica.alive) replica.changed(lease, version)
  }

  #violate(what: string): void {
    this.violations.push(`at ${Math.round(this.events.nowMs)} ms: ${what}`)
  }
}
