import { StoreUnavailable, type UnreadableRecord } from '../store/errors.ts'
import type { KeyValue, Operation, OperationResult, TransactionResult } from '../store/key-value.ts'
import { keys } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { type OpenCommand, openCommandRecord } from './command-records.ts'
import { OpenCommands, type OpenEntry } from './open-commands.ts'

export interface FencedCommandsOptions {
  readonly store: Pick<Store, 'transact'>
  readonly agentId: string
  /** What every write compares: the registration of a connection. */
  readonly fence: { readonly key: string; readonly modRevision: bigint }
  /** What is known of the commands has changed. */
  readonly onChange: () => void
  /** A command is not open any more. */
  readonly onGone: (commandId: string) => void
  readonly onUnreadable: (error: UnreadableRecord) => void
}

/** Another connection speaks for the agent now. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

/** The open commands of an agent, read and written only as long as one registration is the agent's newest. */
export class FencedCommands {
  readonly open: OpenCommands
  readonly #options: FencedCommandsOptions

  constructor(options: FencedCommandsOptions) {
    this.#options = options
    this.open = new OpenCommands(options.onUnreadable, options.onGone)
  }

  /**
   * One transaction, guarded by the fence and by the records that it was decided on.
   * @returns `undefined` where a record had changed: then what it is now is known, or that it cannot be read
   * @throws Fenced; StoreUnavailable where nothing had changed: etcd went back to a backup
   */
  async write(entries: readonly OpenEntry[], then: readonly Operation[]): Promise<TransactionResult | undefined> {
    const { store, fence } = this.#options
    const guards = entries.map(({ command, modRevision }) => ({
      key: keys.openCommand(command.agentId, command.commandId),
      modRevision,
    }))
    const written = await store.transact({
      when: [fence, ...guards],
      then,
      otherwise: [fence, ...guards].map(({ key }) => ({ get: key })),
    })
    if (written.succeeded) return written
    this.#takeIn(idsOf(entries), written)
    const isAsBefore = entries.every(
      ({ command, modRevision }) => this.open.get(command.commandId)?.modRevision === modRevision,
    )
    // Who decides again would decide the same, at once and for ever.
    if (isAsBefore) throw new StoreUnavailable('etcd says less than it said before', { mayHaveHappened: false })
    return undefined
  }

  /**
   * What is known of a command, read where nothing is; `undefined` where it is not open.
   * @throws Fenced, UnreadableRecord
   */
  async find(commandId: string): Promise<OpenEntry | undefined> {
    if (this.open.get(commandId) === undefined) await this.#read(commandId)
    const unreadable = this.open.unreadable(commandId)
    if (unreadable !== undefined) throw unreadable
    return this.open.get(commandId)
  }

  /** The command is not open any more: we ended it at this revision. */
  gone(commandId: string, revision: bigint): void {
    this.open.gone(commandId, revision)
    this.#options.onChange()
  }

  /** What we wrote of a command at this revision. */
  wrote(entry: OpenEntry, command: OpenCommand, modRevision: bigint): void {
    this.open.set(command.commandId, { ...entry, command, modRevision })
    this.#options.onChange()
  }

  async #read(commandId: string): Promise<void> {
    const { store, fence, agentId } = this.#options
    const wanted = [fence.key, keys.openCommand(agentId, commandId)]
    this.#takeIn([commandId], await store.transact({ when: [], then: wanted.map((key) => ({ get: key })) }))
  }

  /** @param read the fence, then the open records of the commands */
  #takeIn(commandIds: readonly string[], { results: [fence, ...opens], revision }: TransactionResult): void {
    if (itemsOf(fence)[0]?.modRevision !== this.#options.fence.modRevision) {
      throw new Fenced(`another connection speaks for agent '${this.#options.agentId}'`)
    }
    commandIds.forEach((commandId, index) => {
      const [stored] = itemsOf(opens[index])
      if (stored === undefined) this.gone(commandId, revision)
      else this.open.put(stored)
    })
    this.#options.onChange()
  }
}

/** The step that writes an open command. */
export function putOpen(command: OpenCommand): Operation {
  return { put: keys.openCommand(command.agentId, command.commandId), value: openCommandRecord.serialize(command) }
}

/** What a `get` of a transaction found. */
export function itemsOf(result: OperationResult | undefined): readonly KeyValue[] {
  return result?.kind === 'get' ? result.items : []
}

function idsOf(entries: readonly OpenEntry[]): readonly string[] {
  return entries.map(({ command }) => command.commandId)
}
