import type { Operation } from '../store/key-value.ts'
import type { FencedCommands } from './fenced-commands.ts'
import type { OpenEntry } from './open-commands.ts'

/** Most writes of one transaction: three steps each. */
const MOST_WRITES = 32
/** Most bytes of one transaction, unless a single write is larger. */
const MOST_BYTES = 768 * 1024

interface Waiting {
  readonly entry: OpenEntry
  readonly then: readonly Operation[]
  readonly bytes: number
  readonly resolve: (revision: bigint | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes of one command each. Those that come while others are being written are written together, so that the rate of
 * an agent is bounded by the size of transactions and not by their number.
 *
 * They succeed and fail together: where the record of one had changed, nothing of the others is written either, what
 * they all are now is known, and each is to be decided on anew.
 */
export class JoinedWrites {
  readonly #commands: Pick<FencedCommands, 'write'>
  readonly #waiting: Waiting[] = []
  #isWriting = false

  constructor(commands: Pick<FencedCommands, 'write'>) {
    this.#commands = commands
  }

  /**
   * Writes what follows from a record.
   * @returns the revision of it; `undefined` where its record, or that of a write beside it, had changed
   * @throws what {@link FencedCommands.write} throws
   */
  async write(entry: OpenEntry, then: readonly Operation[]): Promise<bigint | undefined> {
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ entry, then, bytes: bytesOf(then), resolve, reject })
      if (!this.#isWriting) void this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch()
      try {
        const written = await this.#commands.write(
          batch.map(({ entry }) => entry),
          batch.flatMap(({ then }) => then),
        )
        for (const { resolve } of batch) resolve(written?.revision)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isWriting = false
  }

  /** The first that wait; a command once only, because a transaction writes a key once. */
  #nextBatch(): readonly Waiting[] {
    const commandIds = new Set<string>()
    let bytes = 0
    for (const { entry, bytes: more } of this.#waiting) {
      const { commandId } = entry.command
      const isFirst = commandIds.size === 0
      if (commandIds.size === MOST_WRITES || commandIds.has(commandId)) break
      if (!isFirst && bytes + more > MOST_BYTES) break
      commandIds.add(commandId)
      bytes += more
    }
    return this.#waiting.splice(0, commandIds.size)
  }
}

function bytesOf(operations: readonly Operation[]): number {
  return operations.reduce((sum, step) => sum + ('put' in step ? Buffer.byteLength(step.value) : 0), 0)
}
