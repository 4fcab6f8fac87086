import { type AgentMessage, type ControlPlaneMessage } from '@regent/contract/messages.ts'
import type { LinkState } from '@regent/contract/takeover.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { setTimeout as pause } from 'node:timers/promises'
import type { Leadership } from '../election/leadership.ts'
import type { Action } from './action.ts'
import { type Command, Executor } from './executor.ts'
import { type AttemptOutcome, Link, type LinkOptions } from './link.ts'
import { orAborted } from './or-aborted.ts'
import { mostKeptResults, Outbox, type Outlet } from './outbox.ts'
import type { Outcome, Result } from './outcome.ts'

/** What a term counts. */
export interface TermMetrics {
  countLinkAttempt(outcome: AttemptOutcome): void
  /** The control plane ended a link because it has seen a newer leadership. */
  countFenced(by: 'control-plane'): void
  countCommand(action: string, outcome: Outcome): void
  /** A takeover has come so far, so many seconds after its first sign. */
  observePhase(phase: 'registered' | 'first-command', seconds: number): void
}

export interface TermOptions extends Pick<
  LinkOptions,
  'access' | 'registration' | 'timing' | 'verify' | 'clock' | 'random' | 'wait'
> {
  readonly actions: readonly Action[]
  readonly metrics: TermMetrics
  readonly log: Log
  /** Told when it is registered, and when it is not any more. */
  readonly onLink: (state: LinkState) => void
  /** Told when the control plane cannot be reached for so long that another might do better. */
  readonly onUnreachable: (why: string) => void
}

/** A first command that comes later after the registration did not wait for the takeover, in milliseconds. */
const waitedMs = 1000
/** Policy violation, RFC 6455. */
const policyViolation = 1008

/**
 * Everything that belongs to one epoch: the link, the commands that run, and their results until they are stored. A
 * suspension interrupts a term, and nothing else outlives one.
 */
export class Term {
  readonly epoch: bigint
  readonly lineage: string
  readonly link: Link
  readonly #options: TermOptions
  readonly #executor: Executor
  readonly #outbox = new Outbox()
  #leadership: Leadership
  #outlet: Outlet | undefined
  /** Resolves when the link is registered, or no more. */
  #turned = Promise.withResolvers<undefined>()
  #wasRegistered = false
  /** Until when a first command tells how long commands have waited, in milliseconds since 1970. */
  #waitedUntilMs = 0

  constructor(leadership: Leadership, options: TermOptions) {
    this.epoch = leadership.epoch
    this.lineage = leadership.lineage
    this.#leadership = leadership
    this.#options = options
    const { log } = options
    this.#executor = new Executor({
      actions: options.actions,
      log,
      ...(options.clock !== undefined && { clock: options.clock }),
      onResult: (result, action) => this.#ended(result, action),
      onChange: () => this.link.hold(this.#executor.isFull),
    })
    this.link = new Link({
      ...options,
      listener: {
        registered: (outlet) => this.#registered(outlet),
        heard: (message) => this.#heard(message),
        attempted: (outcome) => options.metrics.countLinkAttempt(outcome),
        fenced: () => options.metrics.countFenced('control-plane'),
        unreachable: options.onUnreachable,
      },
    })
  }

  /** Commands that wait for another one of their target. */
  get waiting(): number {
    return this.#executor.waiting
  }

  /** Begins, or goes on after a suspension: then what ended meanwhile is told. */
  lead(leadership: Leadership): void {
    this.#leadership = leadership
    this.#executor.lead(leadership)
    this.link.lead(leadership)
    this.#outbox.flush()
  }

  /**
   * Hands over: takes nothing new up, lets finish what runs, and tells the results. Resolves when that is over, or the
   * leadership is.
   */
  async drain(): Promise<void> {
    const { signal } = this.#leadership
    this.#executor.forget()
    await orAborted(this.#executor.idle(), signal)
    await this.#tell(signal)
    if (!signal.aborted) await orAborted(this.link.close('this leader hands over'), signal)
  }

  /** Resolves when no effect can follow; to be called when the leadership is over. */
  async settle(): Promise<void> {
    this.#executor.giveBack('the agent stopped leading before the command began')
    await this.#executor.idle()
  }

  /** Ends it for good, wherever it stands. */
  end(why: string): void {
    this.link.destroy(why)
    this.#outbox.connect(undefined)
  }

  /**
   * Waits until every result is stored. While the control plane is away it does not wait for long: the next leader is
   * given those commands again.
   */
  async #tell(signal: AbortSignal): Promise<void> {
    const { lastConnectionMs } = this.#options.timing
    while (this.#outbox.size > 0 && !signal.aborted) {
      const late = new AbortController()
      const ways: Promise<unknown>[] = [this.#outbox.empty(), this.#turned.promise]
      if (this.#outlet === undefined) {
        ways.push(pause(lastConnectionMs, undefined, { signal: late.signal }).then(() => late.abort()))
      }
      await orAborted(Promise.race(ways), signal)
      if (late.signal.aborted) return
      late.abort()
    }
  }

  #registered(outlet: Outlet | undefined): void {
    this.#outlet = outlet
    this.#options.onLink(outlet === undefined ? 'unregistered' : 'registered')
    this.#turned.resolve(undefined)
    this.#turned = Promise.withResolvers()
    if (outlet !== undefined && !this.#wasRegistered) {
      this.#wasRegistered = true
      this.#waitedUntilMs = Date.now() + waitedMs
      this.#observePhase('registered')
    }
    this.#outbox.connect(outlet)
  }

  #heard(message: ControlPlaneMessage & { readonly type: 'command' | 'stored' | 'cancel' }): void {
    switch (message.type) {
      case 'command':
        return this.#command(message)
      case 'stored':
        return this.#outbox.stored(message.commandId)
      case 'cancel':
        return this.#executor.cancel(message.commandId)
    }
  }

  #command(command: Command): void {
    const { commandId } = command
    // The next leader is given it: it was told that this one hands over.
    if (this.#leadership.draining.aborted) return
    if (this.#outbox.has(commandId)) return this.#outbox.repeat(commandId)
    if (this.#outbox.size >= mostKeptResults) {
      this.link.giveUp(policyViolation, `more than ${mostKeptResults} results wait to be stored`)
      return
    }
    const received: AgentMessage = { type: 'received', commandId }
    this.#outlet?.send(JSON.stringify(received))
    this.#executor.accept(command)
    if (Date.now() < this.#waitedUntilMs) this.#observePhase('first-command')
    this.#waitedUntilMs = 0
  }

  #observePhase(phase: 'registered' | 'first-command'): void {
    const { phases, since } = this.#leadership
    this.#options.metrics.observePhase(phase, (phases.acquired + Math.max(0, Date.now() - since.getTime())) / 1000)
  }

  #ended(result: Result, action: string): void {
    const { metrics, log } = this.#options
    const { commandId, outcome } = result
    metrics.countCommand(action, outcome)
    log[outcome === 'done' ? 'debug' : 'info']('command-ended', { commandId, action, outcome })
    this.#outbox.keep(result)
  }
}
