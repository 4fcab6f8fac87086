import { type ControlPlaneMessage, mostUnderWay } from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { type Clock, systemClock } from '../election/clock.ts'
import { type Leadership, NotLeading } from '../election/leadership.ts'
import { Fenced } from '../kubernetes/fenced-write.ts'
import { type Action, ActionFailed } from './action.ts'
import { failure, type Result, success } from './outcome.ts'

/** A command as the control plane sends it. */
export type Command = ControlPlaneMessage & { readonly type: 'command' }

export interface ExecutorOptions {
  readonly actions: readonly Action[]
  readonly log: Log
  /** Told how each command ended. The action is one that is known here, or `unknown`. */
  readonly onResult: (result: Result, action: string) => void
  /** Told that a command was begun or ended: {@link Executor.isFull} may have changed. */
  readonly onChange: () => void
  /** @default the system's */
  readonly clock?: Clock
}

interface Entry {
  readonly command: Command
  readonly acceptedMs: number
  /** Aborted when a person gives the command up. */
  readonly cancel: AbortController
}

/**
 * Runs commands: those of one target one after the other in the order in which they came, targets beside each other.
 * Every command that it accepts ends in exactly one result, unless it was {@link forget forgotten} before it began.
 *
 * Not guaranteed: that a command runs once. It is delivered again where its result was lost, which is why the effects
 * of actions must be such that they happen once.
 */
export class Executor {
  readonly #options: ExecutorOptions
  readonly #actions: ReadonlyMap<string, Action>
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  /** What waits or runs, by target; the first of each runs. */
  readonly #lanes = new Map<string, Entry[]>()
  readonly #running = new Set<Promise<void>>()
  #leadership: Leadership | undefined

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#actions = new Map(options.actions.map((known) => [known.action, known]))
    this.#clock = options.clock ?? systemClock
  }

  /** Commands that were accepted and have not ended. */
  get size(): number {
    return this.#entries.size
  }

  /** Commands that wait for another one of their target. */
  get waiting(): number {
    return this.#entries.size - this.#running.size
  }

  /** Whether there are more commands than the control plane may have under way: nothing more should be read. */
  get isFull(): boolean {
    return this.#entries.size > mostUnderWay
  }

  /** Runs commands in the name of this leadership from now on. */
  lead(leadership: Leadership): void {
    this.#leadership = leadership
  }

  /** Whether this command waits or runs. */
  has(commandId: string): boolean {
    return this.#entries.has(commandId)
  }

  /** Takes a command up. One that waits or runs already is not taken up again. */
  accept(command: Command): void {
    const { commandId, target } = command
    if (this.#entries.has(commandId)) return
    const entry = { command, acceptedMs: this.#clock.now().monotonicMs, cancel: new AbortController() }
    this.#entries.set(commandId, entry)
    const lane = this.#lanes.get(target)
    if (lane !== undefined) lane.push(entry)
    else {
      this.#lanes.set(target, [entry])
      this.#begin(entry)
    }
    this.#options.onChange()
  }

  /** Gives a command up: at once where it waits, and by its signal where it runs. An unknown one is of the past. */
  cancel(commandId: string): void {
    const entry = this.#entries.get(commandId)
    if (entry === undefined) return
    entry.cancel.abort()
    if (this.#lanes.get(entry.command.target)?.[0] === entry) return
    this.#end(entry, failure(commandId, 'cancelled before it began', { outcome: 'cancelled' }))
  }

  /** Forgets what has not begun, without a result: the next leader is given it anew. */
  forget(): void {
    for (const [first, ...waiting] of this.#lanes.values()) {
      for (const { command } of waiting) this.#entries.delete(command.commandId)
      if (first !== undefined) this.#lanes.set(first.command.target, [first])
    }
    this.#options.onChange()
  }

  /** Ends what has not begun with a result that asks for another delivery. */
  giveBack(why: string): void {
    for (const [, ...waiting] of [...this.#lanes.values()]) {
      for (const entry of waiting) {
        this.#end(entry, failure(entry.command.commandId, why, { outcome: 'aborted', retryable: true }))
      }
    }
  }

  /** Resolves when nothing runs: then no effect can follow, unless something is accepted again. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #begin(entry: Entry): void {
    const run = this.#resultOf(entry).then((result) => {
      this.#running.delete(run)
      this.#end(entry, result)
    })
    this.#running.add(run)
  }

  #end(entry: Entry, result: Result): void {
    const { commandId, target, action } = entry.command
    this.#entries.delete(commandId)
    const lane = this.#lanes.get(target) ?? []
    const isFirst = lane[0] === entry
    const rest = lane.filter((other) => other !== entry)
    if (rest.length === 0) this.#lanes.delete(target)
    else this.#lanes.set(target, rest)
    this.#options.onResult(result, this.#actions.has(action) ? action : 'unknown')
    const [next] = rest
    if (isFirst && next !== undefined) this.#begin(next)
    this.#options.onChange()
  }

  /** Runs one command. It does not reject. */
  async #resultOf({ command, acceptedMs, cancel }: Entry): Promise<Result> {
    const { commandId, action: name, payload, deadlineSeconds } = command
    const leadership = this.#leadership
    const action = this.#actions.get(name)
    if (action === undefined) {
      const known = [...this.#actions.keys()].join(', ')
      return rejected(
        commandId,
        `the agent knows no action '${name}'; it knows ${known}: use one of these, or upgrade the agent`,
      )
    }
    const waitedSeconds = (this.#clock.now().monotonicMs - acceptedMs) / 1000
    if (waitedSeconds >= deadlineSeconds) {
      const words = `expired: it could begin only ${waitedSeconds.toFixed(1)} s after it came, expected within ${deadlineSeconds} s`
      return failure(commandId, words, { outcome: 'expired' })
    }
    if (leadership === undefined || leadership.signal.aborted) return aborted(commandId, 'it had not begun')
    const signal = AbortSignal.any([leadership.signal, cancel.signal])
    const log = (event: string, fields = {}): void =>
      this.#options.log.info(event, { ...fields, commandId, action: name })
    try {
      const prepared = action.prepare(payload)
      if ('problem' in prepared) {
        return rejected(commandId, `the payload does not fit the action '${name}': ${prepared.problem}`)
      }
      leadership.assert()
      return success(commandId, await prepared.run({ signal, leadership, commandId, log }))
    } catch (error) {
      return this.#failureOf(commandId, error, cancel.signal, leadership)
    }
  }

  #failureOf(commandId: string, error: unknown, cancel: AbortSignal, { signal }: Leadership): Result {
    const words = error instanceof Error ? error.message : String(error)
    if (cancel.aborted) return failure(commandId, `cancelled while it ran: ${words}`, { outcome: 'cancelled' })
    if (signal.aborted || error instanceof NotLeading || error instanceof Fenced) return aborted(commandId, words)
    return failure(commandId, words, { retryable: error instanceof ActionFailed && error.retryable })
  }
}

function rejected(commandId: string, words: string): Result {
  return failure(commandId, words, { outcome: 'rejected' })
}

function aborted(commandId: string, words: string): Result {
  const told = `the agent stopped leading before the command had ended: ${words}`
  return failure(commandId, told, { outcome: 'aborted', retryable: true })
}
