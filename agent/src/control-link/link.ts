import { type AgentMessage, closeCodes, connectPath, type ControlPlaneMessage } from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, systemClock } from '../election/clock.ts'
import { type Leadership, NotLeading } from '../election/leadership.ts'
import { type ControlPlaneAccess, readCredentials } from './access.ts'
import { AttemptFailed, type Ending, type Verdict, verdictOf } from './attempt-failed.ts'
import { Connection } from './connection.ts'
import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'
import { orAborted } from './or-aborted.ts'
import type { Outlet } from './outbox.ts'
import { Pacing } from './pacing.ts'
import { register, type Registered, type Registration } from './register.ts'
import type { LinkTiming } from './timing.ts'

/** How an attempt to be registered ended, for metrics. */
export const attemptOutcomes = ['registered', 'passing', 'fenced', 'refused'] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export interface LinkListener {
  /** It is registered, and this is where results go from now on. `undefined`: it is not. */
  registered(outlet: Outlet | undefined): void
  heard(message: ControlPlaneMessage & { readonly type: 'command' | 'stored' | 'cancel' }): void
  /** An attempt to be registered has ended. */
  attempted(outcome: AttemptOutcome): void
  /** It was registered, and the control plane ended that because it has seen a newer leadership. */
  fenced(): void
  /**
   * It has not been registered for so long that another might do better, and has just failed again to be. Told again
   * while that lasts.
   */
  unreachable(why: string): void
}

export interface LinkOptions {
  readonly access: ControlPlaneAccess
  /** What it registers with. */
  readonly registration: Registration
  readonly timing: LinkTiming
  readonly log: Log
  readonly listener: LinkListener
  /** Whether the Lease is held, by a fresh answer: see `Election.verify`. */
  readonly verify: () => Promise<boolean>
  /** @default the system's */
  readonly clock?: Clock
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
  /** Waits, and rejects when the signal is aborted. @default by a timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

/** A connection on which this agent is registered. */
interface Current {
  readonly connection: Connection
  readonly heartbeat: NodeJS.Timeout
  wantsMove: boolean
}

/**
 * Keeps the agent registered at the control plane for one epoch: connects again when it must, moves when it is asked
 * to, and sends heartbeats. It outlives a suspension: the connection stays, and says so.
 *
 * Not guaranteed: that what was sent before a connection ended has arrived; whoever sends results keeps them.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #clock: Clock
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<unknown>
  readonly #random: () => number
  readonly #pacing: Pacing
  readonly #over = new AbortController()
  #leadership: Leadership | undefined
  #current: Current | undefined
  #verdict: Verdict | undefined
  #retryAtMs = 0
  /** When an attempt was last begun or ended. */
  #signMs: number
  #changed = Promise.withResolvers<undefined>()
  #patience: NodeJS.Timeout | undefined
  #isImpatient = false
  /** Ends the wait for the next attempt. */
  #hurry = new AbortController()
  #isHeld = false
  #since: Date | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#wait = options.wait ?? ((ms, signal) => pause(ms, undefined, { signal }))
    this.#signMs = this.#nowMs()
    this.#random = options.random ?? Math.random
    this.#pacing = new Pacing(options.timing, this.#random, this.#signMs)
  }

  /** Is registered, or tries to be, in the name of this leadership until that ends. */
  lead(leadership: Leadership): void {
    this.#leadership = leadership
    this.#signMs = this.#nowMs()
    const { signal, draining } = leadership
    // At once: it says that nothing more should be given to this leader.
    draining.addEventListener('abort', () => this.beat(), { once: true })
    signal.addEventListener('abort', () => signal.reason === 'suspended' && this.beat(), { once: true })
    this.beat()
    if (this.#current === undefined) this.#hope()
    void this.#keep(leadership)
  }

  /** Whether it is registered. */
  get isRegistered(): boolean {
    return this.#current !== undefined
  }

  /** How it stands, in words. */
  get explanation(): string {
    if (this.#current !== undefined) return `registered at the control plane since ${this.#since?.toISOString() ?? ''}`
    return `not registered at the control plane: ${this.#verdict?.words ?? 'the first attempt has not ended yet'}`
  }

  /** What a person must do before it can be registered; nothing where it is only a matter of time. */
  get obstacle(): string | undefined {
    return this.#current === undefined && this.#verdict?.kind === 'refused' ? this.#verdict.words : undefined
  }

  /** Milliseconds for which nothing was tried although something should have been; 0 while it is registered. */
  get silentMs(): number {
    const isTrying = this.#leadership?.signal.aborted === false && !this.#over.signal.aborted
    return isTrying && this.#current === undefined ? this.#nowMs() - this.#signMs : 0
  }

  /** Sends a heartbeat now. It claims nothing that a newer leader would contradict, so it needs no assertion. */
  beat(): void {
    const message: AgentMessage = { type: 'heartbeat', status: this.#status(), activeSessions: 0 }
    this.#current?.connection.send(JSON.stringify(message))
  }

  /** Reads nothing more, or goes on reading. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    if (isHeld) this.#current?.connection.pause()
    else this.#current?.connection.resume()
  }

  /** Gives the connection up because the other side does not keep to the protocol; another one is made. */
  giveUp(code: number, why: string): void {
    this.#current?.connection.close(code, why)
  }

  /** Ends it in good order, and for good. Resolves when the connection has ended. */
  async close(why: string): Promise<void> {
    const current = this.#current
    this.#end()
    current?.connection.close(1000, why)
    await current?.connection.ended
  }

  /** Ends it at once, and for good: what waits to be sent is not sent. */
  destroy(why: string): void {
    const current = this.#current
    this.#end()
    current?.connection.destroy(why)
  }

  #end(): void {
    this.#over.abort()
    clearTimeout(this.#patience)
  }

  #nowMs(): number {
    return this.#clock.now().monotonicMs
  }

  #status(): (AgentMessage & { readonly type: 'heartbeat' })['status'] {
    if (this.#leadership === undefined || this.#leadership.signal.aborted) return 'suspended'
    return this.#leadership.draining.aborted ? 'draining' : 'online'
  }

  /** Until the leadership is over, a connection stands or one is being made. */
  async #keep(leadership: Leadership): Promise<void> {
    const over = AbortSignal.any([leadership.signal, this.#over.signal])
    while (!over.aborted) {
      if (this.#current !== undefined && !this.#current.wantsMove) await orAborted(this.#changed.promise, over)
      else if (await this.#isAllowed(over)) {
        this.#signMs = this.#nowMs()
        await this.#attempt(leadership, over)
        this.#signMs = this.#nowMs()
      }
    }
  }

  /** Waits until the next attempt is due. @returns whether it may be made */
  async #isAllowed(over: AbortSignal): Promise<boolean> {
    const waitMs = this.#retryAtMs - this.#nowMs()
    const { signal: hurried } = this.#hurry
    if (waitMs > 0) await this.#wait(waitMs, AbortSignal.any([over, hurried])).catch(() => undefined)
    if (over.aborted || (waitMs > 0 && hurried.aborted)) return false
    if (this.#verdict?.kind !== 'fenced') return true
    // Whoever was told that another leads must know that it still does, before it insists.
    if ((await orAborted(this.#options.verify(), over)) === true) return true
    // Nobody here holds the Lease any more, and the leadership ends in a moment.
    this.#retryAtMs = this.#nowMs() + this.#options.timing.firstRetryMs
    return false
  }

  async #attempt(leadership: Leadership, over: AbortSignal): Promise<void> {
    const { access, timing, registration } = this.#options
    const isImpatient = this.#isImpatient
    let connection: Connection | undefined
    try {
      const credentials = await readCredentials(access)
      const url = new URL(connectPath, access.url)
      connection = await Connection.open({ url, credentials, timing, signal: over })
      const registered = await register({ connection, leadership, registration, timing, signal: over })
      over.throwIfAborted()
      this.#adopt(connection, registered)
    } catch (error) {
      connection?.destroy('it could not be registered')
      if (over.aborted) return
      const ending = error instanceof AttemptFailed ? error.ending : { why: reasonOf(error) }
      const verdict = this.#failed('link-failed', ending)
      this.#options.listener.attempted(verdict.kind)
      if (isImpatient) this.#despair(verdict)
    }
  }

  #adopt(connection: Connection, { connectionId, heartbeatIntervalSeconds }: Registered): void {
    const { listener, log } = this.#options
    const former = this.#current
    clearInterval(former?.heartbeat)
    const heartbeat = setInterval(() => this.beat(), heartbeatIntervalSeconds * 1000)
    const current: Current = { connection, heartbeat, wantsMove: false }
    this.#current = current
    this.#since = new Date(this.#clock.now().wallMs)
    this.#verdict = undefined
    this.#pacing.began(this.#nowMs())
    this.#calm()
    void connection.ended.then((ending) => this.#lost(current, ending))
    log.info('link-registered', { connectionId, moved: former !== undefined })
    listener.attempted('registered')
    listener.registered(this.#outletOf(connection))
    this.beat()
    connection.listen((message) => this.#hear(current, message))
    if (!this.#isHeld) connection.resume()
    // What it may still have to say is said again on the new one.
    former?.connection.close(1000, 'moved')
  }

  #outletOf(connection: Connection): Outlet {
    return {
      get bufferedBytes() {
        return connection.bufferedBytes
      },
      send: (text) => this.#mayAct() && connection.send(text),
      whenDrained: (callback) => connection.whenDrained(callback),
    }
  }

  #mayAct(): boolean {
    try {
      this.#leadership?.assert()
      return this.#leadership !== undefined
    } catch (error) {
      if (error instanceof NotLeading) return false
      throw error
    }
  }

  #hear(from: Current, message: ControlPlaneMessage): void {
    const { listener, log } = this.#options
    switch (message.type) {
      case 'registered':
        return from.connection.close(closeCodes.unexpectedMessage, 'registered twice')
      case 'move':
        if (from.wantsMove || this.#current !== from) return
        log.info('link-asked-to-move', { reason: foreignWords(message.reason) })
        from.wantsMove = true
        this.#retryAtMs = this.#nowMs() + this.#pacing.again(this.#nowMs())
        return this.#wake()
      case 'stored':
        return listener.heard(message)
      default:
        // A command on a former connection is delivered on the new one again.
        if (this.#current === from) listener.heard(message)
    }
  }

  #lost(current: Current, ending: Ending): void {
    if (this.#current !== current) return
    clearInterval(current.heartbeat)
    this.#current = undefined
    this.#options.listener.registered(undefined)
    if (this.#over.signal.aborted) return
    if (this.#failed('link-lost', ending).kind === 'fenced') this.#options.listener.fenced()
    this.#hope()
    this.#wake()
  }

  /** There is no connection, or not the one that was wanted: says so, and decides when the next is tried. */
  #failed(event: 'link-failed' | 'link-lost', ending: Ending): Verdict {
    const verdict = verdictOf(ending)
    const isNews = verdict.words !== this.#verdict?.words
    this.#verdict = verdict
    const delayMs = this.#pacing.failed(ending, verdict, this.#nowMs())
    this.#retryAtMs = this.#nowMs() + delayMs
    const level = !isNews ? 'debug' : verdict.kind === 'refused' ? 'error' : 'warn'
    this.#options.log[level](event, { why: verdict.words, retryInMs: Math.round(delayMs) })
    return verdict
  }

  /**
   * Waits for a registration with patience. When that is over it tries once more, soon: after an outage standbys reach
   * the control plane as soon as this leader could, and it must not yield to them before it has seen that it cannot.
   */
  #hope(): void {
    this.#calm()
    this.#patience = setTimeout(() => {
      this.#isImpatient = true
      if (this.#verdict?.kind !== 'passing') return
      // Not all at the same moment that lost the control plane at the same moment.
      const soonMs = this.#nowMs() + this.#random() * this.#options.timing.hurryMs
      if (soonMs >= this.#retryAtMs) return
      this.#retryAtMs = soonMs
      this.#hurry.abort()
      this.#hurry = new AbortController()
    }, this.#options.timing.patienceMs)
  }

  #calm(): void {
    clearTimeout(this.#patience)
    this.#isImpatient = false
  }

  /** An attempt has failed that was begun when there was no patience left. */
  #despair(verdict: Verdict): void {
    if (this.#current !== undefined || this.#status() !== 'online') return
    // A successor would be told the same: until a person resets the fence or admits the agent, or etcd has room again.
    if (verdict.isOfReplica) this.#options.listener.unreachable(this.explanation)
  }

  #wake(): void {
    this.#changed.resolve(undefined)
    this.#changed = Promise.withResolvers()
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
