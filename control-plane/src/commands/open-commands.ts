import { UnreadableRecord } from '../store/errors.ts'
import type { KeyValue } from '../store/key-value.ts'
import { idOf } from '../store/keys.ts'
import type { FollowUpdate } from '../store/store.ts'
import { type OpenCommand, openCommandRecord } from './command-records.ts'

/** An open command as it is known here. */
export interface OpenEntry {
  readonly command: OpenCommand
  readonly createRevision: bigint
  /** What a write that follows from it compares. */
  readonly modRevision: bigint
}

/**
 * The open commands of one agent, as the store's events and our own writes tell them. They come in any order: of each
 * command the newest revision counts.
 */
export class OpenCommands {
  readonly #entries = new Map<string, OpenEntry>()
  /** Commands whose newest record cannot be read. What was known of them before counts no more. */
  readonly #unreadable = new Map<string, { readonly error: UnreadableRecord; readonly modRevision: bigint }>()
  /** Commands that are gone, with the revision of that, until the store's events have come so far. */
  readonly #gone = new Map<string, bigint>()
  readonly #onUnreadable: (error: UnreadableRecord) => void
  readonly #onGone: (commandId: string) => void
  #ordered: readonly OpenEntry[] | undefined

  /** @param onGone told of each command that was open and is not any more */
  constructor(onUnreadable: (error: UnreadableRecord) => void, onGone: (commandId: string) => void = () => undefined) {
    this.#onUnreadable = onUnreadable
    this.#onGone = onGone
  }

  /** In the order of creation; those of one transaction by id. */
  get ordered(): readonly OpenEntry[] {
    this.#ordered ??= [...this.#entries.values()].sort(byCreation)
    return this.#ordered
  }

  get(commandId: string): OpenEntry | undefined {
    return this.#entries.get(commandId)
  }

  /** Why the record of a command that is open cannot be read; `undefined` where it can, or where it is not open. */
  unreadable(commandId: string): UnreadableRecord | undefined {
    return this.#unreadable.get(commandId)?.error
  }

  /** Takes in what the store tells. */
  apply(update: FollowUpdate): void {
    if (update.kind === 'snapshot') {
      const listed = new Set(update.items.map(({ key }) => idOf(key)))
      for (const [commandId, { modRevision }] of [...this.#entries, ...this.#unreadable]) {
        if (!listed.has(commandId) && modRevision <= update.revision) this.gone(commandId, update.revision)
      }
      for (const item of update.items) this.put(item)
    } else {
      for (const event of update.events) {
        if (event.kind === 'put') this.put(event.item)
        else this.gone(idOf(event.key), event.modRevision)
      }
    }
    for (const [commandId, revision] of this.#gone) if (revision <= update.revision) this.#gone.delete(commandId)
  }

  /** Takes in a record as it was read. One that cannot be read is left alone, and told: nothing is decided by it. */
  put(item: KeyValue): void {
    const commandId = idOf(item.key)
    if (!this.#isNews(commandId, item.modRevision)) return
    try {
      const { createRevision, modRevision } = item
      this.set(commandId, { command: openCommandRecord.parse(item), createRevision, modRevision })
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#unreadable.set(commandId, { error, modRevision: item.modRevision })
      if (this.#entries.delete(commandId)) this.#ordered = undefined
      this.#onUnreadable(error)
    }
  }

  /** Takes in a record as it was written. */
  set(commandId: string, entry: OpenEntry): void {
    if (!this.#isNews(commandId, entry.modRevision)) return
    this.#entries.set(commandId, entry)
    this.#unreadable.delete(commandId)
    this.#ordered = undefined
  }

  /** The command was not open any more at this revision. */
  gone(commandId: string, revision: bigint): void {
    const known = this.#knownOpen(commandId)
    if (known !== undefined && known.modRevision > revision) return
    this.#gone.set(commandId, revision)
    if (known === undefined) return
    this.#entries.delete(commandId)
    this.#unreadable.delete(commandId)
    this.#ordered = undefined
    this.#onGone(commandId)
  }

  #knownOpen(commandId: string): { readonly modRevision: bigint } | undefined {
    return this.#entries.get(commandId) ?? this.#unreadable.get(commandId)
  }

  #isNews(commandId: string, modRevision: bigint): boolean {
    return modRevision > (this.#knownOpen(commandId)?.modRevision ?? this.#gone.get(commandId) ?? 0n)
  }
}

function byCreation(left: OpenEntry, right: OpenEntry): number {
  if (left.createRevision !== right.createRevision) return left.createRevision < right.createRevision ? -1 : 1
  return left.command.commandId < right.command.commandId ? -1 : 1
}
