import { attemptSeconds, stallSeconds } from '@regent/contract/election.ts'
import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'
import { isDeepStrictEqual } from 'node:util'
import { answerOf } from './answer.ts'
import { type ApiAnswer, ApiConnection } from './api-server.ts'
import { Backoff, rewatchBackoff } from './backoff.ts'
import { systemClock } from './clock.ts'
import { EvidenceOfDeath } from './evidence-of-death.ts'
import { textAt } from './json.ts'
import { LeaseClient } from './lease-client.ts'
import { LeaseWatch } from './lease-watch.ts'
import { isReady, statusOf, step } from './machine.ts'
import { OutageNotices } from './outage-notices.ts'
import type { Kill } from './process-killer.ts'
import { SharedDeadline } from './shared-deadline.ts'
import { type Effect, initialState, type Input, type State } from './state.ts'
import type { ElectionStatus } from './election.ts'
import type { ElectorOptions, FromElector, ToElector } from './thread-messages.ts'

/** How often the elector looks at the clocks and at the main thread, in milliseconds. */
const beatMs = 100
/** A main thread that is silent for longer than this is worth a word, in milliseconds. */
const noticedStallMs = 500

/**
 * The election with its connections: carries out what the machine wants, and tells it what came of it. It runs in a
 * thread of its own, because it must be able to end a process whose main thread does not answer any more.
 */
export class Elector {
  readonly #options: ElectorOptions
  readonly #post: (message: FromElector) => void
  readonly #kill: Kill
  readonly #deadline: SharedDeadline
  readonly #connection: ApiConnection
  readonly #lease: LeaseClient
  readonly #watch: LeaseWatch
  readonly #evidence: EvidenceOfDeath
  #state: State = initialState()
  #status: ElectionStatus | undefined
  #wake: NodeJS.Timeout | undefined
  #beat: NodeJS.Timeout | undefined
  #tickets = 0
  #lineage: string | undefined
  #lineageRefusal: string | undefined
  #lineageFailure: string | undefined
  readonly #outage = new OutageNotices()
  #prepared = false
  #reaches = false
  /** Who asked whether the Lease is held, and when. */
  readonly #questions = new Map<number, number>()
  #longestStallMs = 0

  constructor(options: ElectorOptions, post: (message: FromElector) => void, kill: Kill) {
    this.#options = options
    this.#post = post
    this.#kill = kill
    this.#deadline = new SharedDeadline(options.deadline)
    const named = { namespace: options.machine.leaseNamespace, name: options.machine.leaseName }
    this.#connection = new ApiConnection(options.api)
    this.#lease = new LeaseClient(this.#connection, named)
    this.#watch = new LeaseWatch(options.api, named)
    this.#evidence = new EvidenceOfDeath(options)
  }

  start(): void {
    this.#watch.on('lease', (lease) => this.#tell({ type: 'event', lease }))
    this.#watch.on('deleted', (version) => this.#tell({ type: 'deleted', version }))
    this.#watch.on('bookmark', () => this.#tell({ type: 'bookmark' }))
    this.#watch.on('missed', () => this.#tell({ type: 'missed' }))
    this.#watch.on('accepted', () => this.#tell({ type: 'watch-accepted' }))
    this.#watch.on('refused', (why) => this.#tell({ type: 'watch-refused', why }))
    this.#watch.on('restarted', (reason, why) => this.#event('watchRestarted', ['lease', reason, why]))
    this.#evidence.on('input', (input) => this.#tell(input))
    this.#evidence.on('judged', (evidence) => this.#event('evidence', [evidence]))
    this.#evidence.on('watchRestarted', (reason) => this.#event('watchRestarted', ['pods', reason]))
    this.#evidence.on('notice', (...notice) => this.#event('notice', notice))
    this.#evidence.start()
    this.#watch.start()
    this.#tell({ type: 'tick' })
    this.#beat = setInterval(() => this.#lookAround(), beatMs)
    void this.#learnLineage()
  }

  /** What the main thread says. */
  hear(message: ToElector): void {
    switch (message.type) {
      case 'prepared':
        this.#prepared = true
        return this.#tellPrepared()
      case 'reach':
        this.#reaches = message.controlPlane
        return this.#announce()
      case 'verify':
        this.#questions.set(message.id, systemClock.now().monotonicMs)
        return this.#tell({ type: 'verify' })
      default:
        return this.#tell(message)
    }
  }

  /** Lets go of every connection; nothing is told any more. */
  close(): void {
    clearTimeout(this.#wake)
    clearInterval(this.#beat)
    this.#watch.close()
    this.#evidence.close()
    this.#connection.close()
  }

  #tell(input: Input): void {
    const { machine } = this.#options
    const before = this.#state
    const { state, effects, wakeAtMs } = step(before, input, machine, systemClock.now(), Math.random)
    this.#state = state
    for (const effect of effects) this.#do(effect)
    this.#wakeAt(wakeAtMs)
    if (state.record !== before.record) this.#evidence.follow(state.record, state.hold !== undefined)
    this.#announce()
    this.#postStatus()
    this.#answerQuestions()
  }

  #announce(): void {
    const { monotonicMs } = systemClock.now()
    this.#evidence.announce(isReady(this.#state, this.#options.machine, monotonicMs), this.#reaches)
  }

  #do(effect: Effect): void {
    const { machine } = this.#options
    switch (effect.type) {
      case 'read':
        return this.#request(effect.request, 'get', this.#lease.get(attemptSeconds))
      case 'write':
        return this.#request(effect.request, effect.method, this.#lease[effect.method](effect.lease, attemptSeconds))
      case 'rewatch':
        return this.#watch.restart()
      case 'allow':
        return this.#deadline.extend(effect.until)
      case 'forbid':
        return this.#deadline.forbid()
      case 'begin': {
        this.#tickets += 1
        this.#deadline.grant(this.#tickets)
        const { reign, resumed } = effect
        // The machine does not compete before the lineage is known.
        this.#post({ type: 'begin', ticket: this.#tickets, reign, resumed, lineage: this.#lineage ?? '' })
        return
      }
      case 'drain':
      case 'end':
        return this.#post(effect)
      case 'kill':
        return this.#killUnlessOver(effect.why)
      case 'confirm-death':
        return this.#evidence.confirm()
      case 'renewed':
        return this.#event('renewed', [effect.seconds])
      case 'slow-path':
        return this.#event('slowPath', [])
      case 'ended':
        return this.#event('ended', [{ epoch: effect.epoch, reason: effect.reason }])
      case 'stopped':
        this.#postStatus()
        this.#post({ type: 'stopped' })
        return this.close()
      default:
        effect satisfies never
        throw new Error(`an effect that nobody knows of the machine for ${machine.leaseName}`)
    }
  }

  /**
   * Kills, unless the main thread has said that the work is over. After this thread got no CPU that may wait to be
   * heard. Immediates run after the sockets that the event loop had found ready, and it may have looked for those before
   * the main thread spoke: only between the first immediate and the second does it look again for certain.
   */
  #killUnlessOver(why: string): void {
    const { work } = this.#state
    setImmediate(() =>
      setImmediate(() => {
        if (this.#state.work !== work) return
        this.#kill(why, this.#deadline.silentMs('main', systemClock.now()) / 1000)
      }),
    )
  }

  #answerQuestions(): void {
    const { hold } = this.#state
    for (const [id, askedMs] of this.#questions) {
      const isKnown = hold === undefined || hold.acknowledgedAt.monotonicMs >= askedMs
      if (!isKnown) continue
      this.#questions.delete(id)
      this.#post({ type: 'verified', id, holds: hold !== undefined })
    }
  }

  #request(request: number, verb: 'get' | 'create' | 'update', sent: ReturnType<LeaseClient['get']>): void {
    const { leaseName, leaseNamespace } = this.#options.machine
    void sent.then((answer) =>
      this.#tell({ type: 'answer', request, answer: answerOf(answer, { verb, leaseName, leaseNamespace }) }),
    )
  }

  #wakeAt(monotonicMs: number): void {
    clearTimeout(this.#wake)
    if (monotonicMs === Infinity || this.#state.phase === 'stopped') return
    const delayMs = Math.max(0, Math.ceil(monotonicMs - systemClock.now().monotonicMs))
    this.#wake = setTimeout(() => this.#tell({ type: 'tick' }), Math.min(delayMs, 2 ** 31 - 1))
  }

  /** The watchdog: reads the clocks although nothing happened, and hears whether the main thread lives. */
  #lookAround(): void {
    const now = systemClock.now()
    this.#deadline.beat('elector', now)
    const silentMs = this.#deadline.silentMs('main', now)
    const isStalled = silentMs > stallSeconds * 1000
    if (silentMs > noticedStallMs) this.#longestStallMs = Math.max(this.#longestStallMs, silentMs)
    else if (this.#longestStallMs > 0) {
      this.#event('stalled', [this.#longestStallMs / 1000])
      this.#longestStallMs = 0
    }
    if (isStalled !== this.#state.stalled) this.#tell({ type: 'stalled', value: isStalled })
    else if (this.#state.work) this.#tell({ type: 'tick' })
  }

  /** Epochs mean something only together with the cluster that they are of, so nobody leads before it is known. */
  async #learnLineage(): Promise<void> {
    const backoff = new Backoff(rewatchBackoff)
    while (this.#lineage === undefined && this.#state.phase !== 'stopped') {
      const answer = await this.#lease.clusterUid(attemptSeconds)
      if (answer.kind === 'uid') {
        this.#lineage = answer.uid
        this.#lineageRefusal = undefined
        this.#lineageFailure = undefined
        this.#postStatus()
        this.#tellPrepared()
        return
      }
      this.#lineageRefusal = lineageRefusal(answer, this.#options.machine.leaseName)
      this.#lineageFailure = this.#lineageRefusal === undefined ? lineageFailure(answer) : undefined
      this.#postStatus()
      await new Promise((resolve) => setTimeout(resolve, 50 + backoff.nextDelayMs(systemClock.now().monotonicMs)))
    }
  }

  #tellPrepared(): void {
    if (this.#prepared && this.#lineage !== undefined) this.#tell({ type: 'prepared', value: true })
  }

  #postStatus(): void {
    const of = statusOf(this.#state, this.#options.machine)
    const obstacle = of.obstacle ?? this.#lineageRefusal
    const unreachable = of.unreachable ?? this.#lineageFailure
    const status = {
      ...of,
      prepared: this.#prepared,
      ...(obstacle !== undefined && { obstacle }),
      ...(unreachable !== undefined && { unreachable }),
    }
    const notice = this.#outage.hear(unreachable, systemClock.now().monotonicMs)
    if (notice) this.#event('notice', notice)
    if (isDeepStrictEqual(status, this.#status)) return
    this.#status = status
    this.#post({ type: 'status', status })
  }

  #event(...[name, args]: EventArguments): void {
    this.#post({ type: 'event', name, args } as FromElector)
  }
}

type EventArguments = FromElector extends infer M
  ? M extends { readonly type: 'event'; readonly name: infer N; readonly args: infer A }
    ? [name: N, args: A]
    : never
  : never

/** What a person must allow so that the cluster can be told from others; nothing where it is only not answering. */
function lineageRefusal(answer: ApiAnswer, role: string): string | undefined {
  if (answer.kind === 'failure' || (answer.status !== 401 && answer.status !== 403)) return undefined
  return `may not get the namespace kube-system, whose UID names this cluster (${answer.status}); the Role ${role} in kube-system must allow 'get' of it and be bound to this pod's ServiceAccount`
}

/** Why the cluster cannot be told from others at the moment. */
function lineageFailure(answer: ApiAnswer): string {
  if (answer.kind === 'failure') return foreignWords(answer.why)
  const message = textAt(answer.body, 'message') ?? 'no message'
  return foreignWords(`${answer.status} at get of the namespace kube-system: ${message}`)
}
