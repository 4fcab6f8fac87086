import { mostUnderWay } from '@regent/contract/messages.ts'
import { isPassing, UnreadableRecord } from '../store/errors.ts'
import type { KeyValue } from '../store/key-value.ts'
import { keys, prefixes } from '../store/keys.ts'
import { isAborted, Retry } from '../store/retry.ts'
import type { AgentQueueOptions } from './agent-queue-options.ts'
import { CommandOutcomes } from './command-outcomes.ts'
import { type OpenCommand, payloadRecord } from './command-records.ts'
import { endCommand, observeEnd } from './end-command.ts'
import { endedWithoutAgent, type Outcome } from './ending.ts'
import { Fenced, FencedCommands, itemsOf, putOpen } from './fenced-commands.ts'
import { isUnderWay, nextSteps, type Step } from './next-steps.ts'
import type { OpenEntry } from './open-commands.ts'
import { WakeUp } from './wake-up.ts'

/** `received` is stored after so long at most, in milliseconds, together with others: nobody waits for it. */
const RECEIVED_MS = 200
/** Most commands that one transaction ends: three steps each. */
const MOST_ENDS = 32

type Delivery = Extract<Step<OpenEntry>, { readonly kind: 'deliver' }>
type End = Extract<Step<OpenEntry>, { readonly kind: 'end' }>

/**
 * The commands of one agent while one connection speaks for it: delivers what may be delivered, and stores results.
 *
 * Every write compares the fence of the registration and the record that it was decided on. So a queue whose
 * connection was superseded changes nothing, two pods never both deliver, and a write whose answer was lost is either
 * found done when the record is read again, or done then: nothing is lost, and no outcome is stored twice. Not
 * guaranteed: that an agent is given a command once; it may be given it again, with the same id.
 */
export class AgentQueue {
  readonly #options: AgentQueueOptions
  readonly #commands: FencedCommands
  readonly #outcomes: CommandOutcomes
  readonly #closed = new AbortController()
  readonly #changed = new WakeUp()
  readonly #wallMs: () => number
  /** By command: the delivery that was sent over this connection, by its time. */
  readonly #sent = new Map<string, string>()
  readonly #toldToCancel = new Set<string>()
  readonly #received = new Set<string>()
  #receivedAtMs = 0
  #accepts = false
  #work: Promise<unknown> | undefined

  constructor(options: AgentQueueOptions) {
    this.#options = options
    this.#wallMs = options.wallMs ?? Date.now
    this.#commands = new FencedCommands({
      ...options,
      onChange: () => this.#changed.wake(),
      onGone: (commandId) => this.#forget(commandId),
      onUnreadable: (error) => this.#unreadable(error),
    })
    this.#outcomes = new CommandOutcomes({
      ...options,
      commands: this.#commands,
      signal: this.#closed.signal,
      wallMs: this.#wallMs,
      onAgain: (commandId) => this.#received.delete(commandId),
    })
  }

  /** Commands that wait to be delivered. */
  get waiting(): number {
    return this.#commands.open.ordered.length - this.inFlight
  }

  /** Commands that the agent has by this connection. */
  get inFlight(): number {
    return this.#commands.open.ordered.filter((entry) => this.#isUnderWay(entry)).length
  }

  /** Delivers what may be delivered, from now on. */
  start(): void {
    this.#accepts = true
    this.#changed.wake()
    this.#work ??= Promise.all([this.#guarded(() => this.#follow()), this.#guarded(() => this.#deliver())])
  }

  /** Delivers nothing new; results are still taken, and what expires or is given up ends. */
  pause(): void {
    this.#accepts = false
  }

  /** The agent has taken the command up. */
  received(commandId: string): void {
    const entry = this.#commands.open.get(commandId)
    if (entry === undefined || !this.#isUnderWay(entry) || entry.command.state === 'received') return
    if (this.#received.size === 0) this.#receivedAtMs = this.#wallMs()
    this.#received.add(commandId)
    this.#changed.wake()
  }

  /** Stores how a command ended. @see CommandOutcomes.store for what it answers and throws */
  finish(outcome: Outcome): Promise<'stored' | 'fenced'> {
    return this.#outcomes.store(outcome)
  }

  /** Ends everything; what the agent has is left to its next connection. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#work
  }

  async #follow(): Promise<void> {
    const { store, open = store, agentId } = this.#options
    for await (const update of open.follow(prefixes.openCommands(agentId), { signal: this.#closed.signal })) {
      this.#commands.open.apply(update)
      this.#changed.wake()
    }
  }

  async #deliver(): Promise<void> {
    const { signal } = this.#closed
    const retry = new Retry()
    while (!isAborted(signal)) {
      const entries = this.#commands.open.ordered
      this.#tellCancelled(entries)
      try {
        await this.#nextWork(entries)
        retry.succeeded()
      } catch (error) {
        if (isAborted(signal)) return
        if (!isPassing(error)) throw error
        this.#options.log.warn('commands-wait', { agent: this.#options.agentId, error })
        // Where it was written without our knowing, the guard of the next attempt tells, and what is stored now.
        await retry.wait(signal)
      }
    }
  }

  /** Does the first thing that is to be done, or waits until there is one. */
  async #nextWork(entries: readonly OpenEntry[]): Promise<void> {
    const nowMs = this.#wallMs()
    const { deliverer } = this.#options
    const { steps, wakeAtMs = Infinity } = nextSteps(entries, deliverer, { nowMs, accepts: this.#accepts })
    const unsent = entries.filter((entry) => this.#isUnsent(entry)).slice(0, mostUnderWay)
    const ends = steps.filter((step) => step.kind === 'end').slice(0, MOST_ENDS)
    const deliveries = steps.filter((step) => step.kind === 'deliver')
    const receivedDueMs = this.#received.size === 0 ? Infinity : this.#receivedAtMs + RECEIVED_MS
    if (unsent.length > 0) await this.#sendStored(unsent)
    else if (ends.length > 0) await this.#end(ends, nowMs)
    else if (deliveries.length > 0) await this.#dispatch(deliveries, nowMs)
    else if (nowMs >= receivedDueMs) await this.#storeReceived(entries, nowMs)
    else await this.#changed.wait(Math.min(wakeAtMs, receivedDueMs) - nowMs, this.#closed.signal)
  }

  async #dispatch(deliveries: readonly Delivery[], nowMs: number): Promise<void> {
    const lastDelivery = { ...this.#options.deliverer, at: new Date(nowMs).toISOString() }
    const next = deliveries.map(({ entry, deliveries: count }) => ({
      entry,
      command: { ...entry.command, state: 'dispatched' as const, deliveries: count, lastDelivery },
    }))
    const written = await this.#commands.write(
      next.map(({ entry }) => entry),
      [...next.map(({ command }) => putOpen(command)), ...next.map(getPayload)],
    )
    if (written === undefined) return
    next.forEach(({ entry, command }, index) => {
      this.#commands.wrote(entry, command, written.revision)
      this.#send(command, itemsOf(written.results[next.length + index]))
    })
  }

  /** Sends what was stored as delivered by a write whose answer was lost. */
  async #sendStored(entries: readonly OpenEntry[]): Promise<void> {
    const read = await this.#commands.write(entries, entries.map(getPayload))
    if (read === undefined) return
    entries.forEach(({ command }, index) => this.#send(command, itemsOf(read.results[index])))
  }

  #send(command: OpenCommand, [stored]: readonly KeyValue[]): void {
    const { agentId, commandId, target, action, deliveries, lastDelivery, deadlineAt } = command
    this.#sent.set(commandId, lastDelivery?.at ?? '')
    try {
      if (stored === undefined) throw new UnreadableRecord(keys.commandPayload(agentId, commandId), 'it is gone')
      const { payload } = payloadRecord.parse(stored)
      const deadlineSeconds = Math.max(0, (Date.parse(deadlineAt) - this.#wallMs()) / 1000)
      this.#options.send({ type: 'command', commandId, target, action, payload, delivery: deliveries, deadlineSeconds })
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#unreadable(error)
      // Nobody could ever carry it out, and it would hold up its target.
      const failed = { type: 'failed', commandId, error: 'its payload cannot be read', retryable: false } as const
      this.finish(failed).catch((cause: unknown) => {
        if (!(cause instanceof UnreadableRecord)) this.#options.onFailed(cause)
      })
    }
  }

  async #end(ends: readonly End[], nowMs: number): Promise<void> {
    const done = ends.map(({ entry, as }) => endedWithoutAgent(entry.command, as, nowMs))
    const entries = ends.map(({ entry }) => entry)
    const written = await this.#options.lease.use((lease) =>
      this.#commands.write(
        entries,
        done.flatMap((one) => endCommand(one, lease)),
      ),
    )
    if (written === undefined) return
    for (const one of done) {
      this.#commands.gone(one.commandId, written.revision)
      observeEnd(this.#options.observeEnd, one)
    }
  }

  async #storeReceived(entries: readonly OpenEntry[], nowMs: number): Promise<void> {
    const next = entries
      .filter(({ command }) => this.#received.has(command.commandId) && command.state === 'dispatched')
      .filter((entry) => this.#isUnderWay(entry))
      .map((entry) => ({ entry, command: { ...entry.command, state: 'received' as const } }))
    if (next.length === 0) this.#received.clear()
    if (next.length === 0) return
    // Where it fails, or one of them has ended meanwhile, the next round has them again.
    this.#receivedAtMs = nowMs
    const written = await this.#commands.write(
      next.map(({ entry }) => entry),
      next.map(({ command }) => putOpen(command)),
    )
    if (written === undefined) return
    for (const { entry, command } of next) {
      this.#received.delete(command.commandId)
      this.#commands.wrote(entry, command, written.revision)
    }
  }

  #tellCancelled(entries: readonly OpenEntry[]): void {
    for (const entry of entries) {
      const { commandId, cancelRequestedBy } = entry.command
      if (cancelRequestedBy === undefined || this.#toldToCancel.has(commandId)) continue
      if (!this.#isUnderWay(entry) || this.#isUnsent(entry)) continue
      this.#toldToCancel.add(commandId)
      this.#options.send({ type: 'cancel', commandId })
    }
  }

  #isUnderWay({ command }: OpenEntry): boolean {
    return isUnderWay(command, this.#options.deliverer)
  }

  #isUnsent(entry: OpenEntry): boolean {
    return this.#isUnderWay(entry) && this.#sent.get(entry.command.commandId) !== entry.command.lastDelivery?.at
  }

  #forget(commandId: string): void {
    this.#sent.delete(commandId)
    this.#received.delete(commandId)
    this.#toldToCancel.delete(commandId)
  }

  #unreadable(error: UnreadableRecord): void {
    this.#options.log.error('command-unreadable', { agent: this.#options.agentId, key: error.key, error })
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isAborted(this.#closed.signal)) return
      this.#closed.abort()
      if (error instanceof Fenced) this.#options.onFenced()
      else this.#options.onFailed(error)
    }
  }
}

function getPayload({ command }: { readonly command: OpenCommand }) {
  return { get: keys.commandPayload(command.agentId, command.commandId) }
}
