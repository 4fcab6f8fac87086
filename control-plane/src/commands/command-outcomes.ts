import { isPassing, StoreUnavailable } from '../store/errors.ts'
import { isAborted, Retry } from '../store/retry.ts'
import type { AgentQueueOptions } from './agent-queue-options.ts'
import { endCommand, observeEnd } from './end-command.ts'
import { endingOf, type Outcome } from './ending.ts'
import { Fenced, type FencedCommands, putOpen } from './fenced-commands.ts'
import type { OpenEntry } from './open-commands.ts'

/** How long an outcome may take to be stored, in milliseconds, before the agent has to repeat it. */
const FINISH_MS = 20_000

export interface CommandOutcomesOptions extends Pick<AgentQueueOptions, 'deliverer' | 'lease' | 'observeEnd'> {
  readonly commands: FencedCommands
  /** Nothing is tried again once it is aborted. */
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
  /** A command failed and is queued again: what is known of this delivery of it counts no more. */
  readonly onAgain: (commandId: string) => void
}

/** Stores how the commands of an agent ended, in the name of one registration. */
export class CommandOutcomes {
  readonly #options: CommandOutcomesOptions

  constructor(options: CommandOutcomesOptions) {
    this.#options = options
  }

  /**
   * Stores how a command ended. `stored`: it is, or was before, or there is no such command any more, so that the
   * agent may forget it. `fenced`: another connection speaks for the agent.
   * @throws StoreUnavailable, StoreFull where it may not be stored; UnreadableRecord where a newer control plane has to
   * store it. The agent has to repeat it
   */
  async store(outcome: Outcome): Promise<'stored' | 'fenced'> {
    const { commands, signal } = this.#options
    const { commandId } = outcome
    const untilMs = performance.now() + FINISH_MS
    const retry = new Retry()
    /** The delivery whose outcome this is, once it is known. */
    let delivery: string | undefined
    for (;;) {
      let failure: Error | undefined
      try {
        const entry = await commands.find(commandId)
        // Ended before, or never given to anybody.
        if (entry?.command.lastDelivery === undefined) return 'stored'
        const { at } = entry.command.lastDelivery
        delivery ??= at
        // A try that failed was put back into the queue before.
        const isOver = entry.command.state === 'queued' || at !== delivery
        if (outcome.type === 'failed' && outcome.retryable && isOver) return 'stored'
        if (await this.#write(entry, outcome)) return 'stored'
      } catch (error) {
        if (error instanceof Fenced) return 'fenced'
        if (!isPassing(error)) throw error
        failure = error
      }
      if (isAborted(signal) || performance.now() >= untilMs) {
        throw failure ?? new StoreUnavailable(`command '${commandId}' changed all the time`, { mayHaveHappened: false })
      }
      // Where it was stored without our knowing, the guard of the next attempt tells.
      await retry.wait(signal)
    }
  }

  /** @returns whether it was stored; else what is known of the command has changed */
  async #write(entry: OpenEntry, outcome: Outcome): Promise<boolean> {
    const { commands, deliverer, lease, wallMs, onAgain } = this.#options
    const ending = endingOf(entry.command, outcome, deliverer.epoch, wallMs())
    if (ending.kind === 'again') {
      const written = await commands.write([entry], [putOpen(ending.open)])
      if (written === undefined) return false
      onAgain(outcome.commandId)
      commands.wrote(entry, ending.open, written.revision)
      return true
    }
    const { done } = ending
    const written = await lease.use((id) => commands.write([entry], endCommand(done, id)))
    if (written === undefined) return false
    commands.gone(outcome.commandId, written.revision)
    observeEnd(this.#options.observeEnd, done)
    return true
  }
}
