import {
  checksumOf,
  nextChecksum,
  stateFormat,
  type StateHeader,
  type StateTrailer,
} from '@regent/contract/state-file.ts'
import { agentRecord, fenceRecord, statusRecord } from '../agents/agent-records.ts'
import {
  type DoneCommand,
  doneCommandRecord,
  idempotencyRecord,
  type OpenCommand,
  openCommandRecord,
  type Payload,
  payloadRecord,
} from '../commands/command-records.ts'
import { itemsOf } from '../commands/fenced-commands.ts'
import { agentKeyRecord } from '../identity/agent-keys.ts'
import { tokenRecord } from '../identity/people-tokens.ts'
import { UnreadableRecord } from '../store/errors.ts'
import type { KeyValue, OperationResult } from '../store/key-value.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { RecordType } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import { entryText, type StateEntry } from './state-entries.ts'

export interface ExportOptions {
  readonly store: Pick<Store, 'count' | 'list' | 'transact'>
  /** URL of this control plane, for the header. */
  readonly from: string
  readonly signal: AbortSignal
  /** Told of records that are left out because they cannot be read. */
  readonly onUnreadable: (error: UnreadableRecord) => void
  /** @default the time of day */
  readonly now?: () => Date
}

/** Agents that one transaction reads: five steps of each, and etcd takes 128. */
const agentsAtOnce = 25
/** More keys than an agent may have. */
const mostKeys = 64
/** Values that one request reads, and after how many bytes a page ends: what is in memory of each export. */
const valuesAtOnce = 100
const mostPageBytes = 1024 * 1024
const pageSize = 500
/** Each page of open commands looks at all their keys, which is why it is larger. */
const openPageSize = 2000

/**
 * The state as it is at one revision, line by line; nothing is read before it is asked for, and no more than a page is
 * in memory.
 *
 * Not guaranteed: that it comes to its end. etcd forgets a revision after an hour (`--auto-compaction-retention`), and
 * keeps none for us.
 *
 * @throws Compacted where etcd does not have the revision any more: begin again
 * @throws StoreUnavailable, StoreRefused
 */
export async function* exportState(options: ExportOptions): AsyncGenerator<string, StateTrailer, undefined> {
  const { store, from, signal, now = () => new Date() } = options
  const { revision, count: agents } = await store.count(prefixes.agents, { signal })
  const count = async (prefix: string): Promise<number> => (await store.count(prefix, { revision, signal })).count
  const header: StateHeader = {
    kind: 'regent-state',
    format: stateFormat,
    exportedAt: now().toISOString(),
    from,
    revision: String(revision),
    expected: {
      agents,
      keys: await count(prefixes.allAgentKeys),
      openCommands: await count(prefixes.allOpenCommands),
      doneCommands: await count(prefixes.allDoneCommands),
      tokens: await count(prefixes.tokens),
      idempotency: await count(prefixes.idempotency),
    },
  }
  let line = JSON.stringify(header)
  let checksum = checksumOf(line)
  yield line
  const reading = new Reading(options, revision)
  let entries = 0
  for await (const entry of reading.entries()) {
    line = entryText(entry)
    checksum = nextChecksum(checksum, line)
    entries += 1
    yield line
  }
  const trailer: StateTrailer = { kind: 'end', entries, checksum, leftOut: reading.leftOut }
  yield JSON.stringify(trailer)
  return trailer
}

/** Everything of the state, at one revision. */
class Reading {
  readonly #options: ExportOptions
  readonly #revision: bigint
  leftOut = 0

  constructor(options: ExportOptions, revision: bigint) {
    this.#options = options
    this.#revision = revision
  }

  async *entries(): AsyncGenerator<StateEntry, void, undefined> {
    for await (const agents of this.#pages(prefixes.agents, agentsAtOnce)) yield* this.#agents(agents)
    for await (const tokens of this.#pages(prefixes.tokens)) {
      for (const stored of tokens) {
        const token = this.#read(tokenRecord, stored)
        if (token !== undefined) yield { kind: 'token', tokenId: idOf(stored.key), token }
      }
    }
    for await (const page of this.#pages(prefixes.idempotency)) {
      for (const stored of page) {
        const idempotency = this.#read(idempotencyRecord, stored)
        if (idempotency !== undefined) yield { kind: 'idempotency', hash: idOf(stored.key), idempotency }
      }
    }
  }

  async *#agents(agents: readonly KeyValue[]): AsyncGenerator<StateEntry, void, undefined> {
    const revision = this.#revision
    const results = await this.#transact(
      agents.flatMap(({ key }) => {
        const agentId = idOf(key)
        return [
          { get: keys.status(agentId), revision },
          { get: keys.fence(agentId), revision },
          { get: prefixes.agentKeys(agentId), prefix: true, limit: mostKeys, revision },
          { count: prefixes.openCommands(agentId), revision },
          { count: prefixes.doneCommands(agentId), revision },
        ]
      }),
    )
    for (const [index, stored] of agents.entries()) {
      const agentId = idOf(stored.key)
      const [status, fence, agentKeys, open, done] = results.slice(5 * index, 5 * index + 5)
      const agent = this.#agent(agentId, stored, itemsOf(status)[0], itemsOf(fence)[0])
      // Without its fence an agent would take any leader of the past: it is left out as a whole.
      if (agent === undefined) continue
      yield agent
      for (const one of itemsOf(agentKeys)) {
        const key = this.#read(agentKeyRecord, one)
        if (key !== undefined) yield { kind: 'key', agentId, keyId: idOf(one.key), key }
      }
      if (countIn(open) > 0) yield* this.#open(agentId)
      if (countIn(done) > 0) yield* this.#done(agentId)
    }
  }

  #agent(
    agentId: string,
    stored: KeyValue,
    storedStatus: KeyValue | undefined,
    storedFence: KeyValue | undefined,
  ): StateEntry | undefined {
    const agent = this.#read(agentRecord, stored)
    const fence = storedFence && this.#read(fenceRecord, storedFence)
    if (agent === undefined || (storedFence !== undefined && fence === undefined)) return undefined
    const lastSeenAt = storedStatus && this.#read(statusRecord, storedStatus)?.lastSeenAt
    return { kind: 'agent', agentId, agent, lastSeenAt, fence }
  }

  /** In the order in which they were given: it holds among commands of one target. */
  async *#open(agentId: string): AsyncGenerator<StateEntry, void, undefined> {
    for await (const page of this.#pages(prefixes.openCommands(agentId), openPageSize, 'created')) {
      for await (const read of this.#withPayloads(page, openCommandRecord)) yield { kind: 'open-command', ...read }
    }
  }

  async *#done(agentId: string): AsyncGenerator<StateEntry, void, undefined> {
    for await (const page of this.#pages(prefixes.doneCommands(agentId))) {
      for await (const read of this.#withPayloads(page, doneCommandRecord)) yield { kind: 'done-command', ...read }
    }
  }

  async *#withPayloads<Command extends OpenCommand | DoneCommand>(
    stored: readonly KeyValue[],
    type: RecordType<Command>,
  ): AsyncGenerator<{ readonly command: Command; readonly payload: Payload }, void, undefined> {
    const commands = stored.flatMap((one) => this.#read(type, one) ?? [])
    for (let from = 0; from < commands.length;) {
      const chunk = commands.slice(from, from + fitting(commands, from))
      from += chunk.length
      const results = await this.#transact(
        chunk.map(({ agentId, commandId }) => ({
          get: keys.commandPayload(agentId, commandId),
          revision: this.#revision,
        })),
      )
      for (const [index, command] of chunk.entries()) {
        const [found] = itemsOf(results[index])
        const { agentId, commandId } = command
        if (found === undefined) {
          this.#leaveOut(new UnreadableRecord(keys.commandPayload(agentId, commandId), 'it is gone'))
          continue
        }
        const read = this.#read(payloadRecord, found)
        if (read !== undefined) yield { command, payload: read.payload }
      }
    }
  }

  async *#pages(
    prefix: string,
    limit = pageSize,
    order: 'key' | 'created' = 'key',
  ): AsyncGenerator<readonly KeyValue[], void, undefined> {
    const { store, signal } = this.#options
    let after: KeyValue | undefined
    do {
      const page = await store.list(prefix, {
        ...{ limit, order, after, signal },
        revision: this.#revision,
        mostBytes: mostPageBytes,
      })
      yield page.items
      after = page.more ? page.items.at(-1) : undefined
    } while (after !== undefined)
  }

  async #transact(then: Parameters<Store['transact']>[0]['then']): Promise<readonly OperationResult[]> {
    const { store, signal } = this.#options
    return (await store.transact({ when: [], then }, { signal })).results
  }

  #read<Value extends object>(type: RecordType<Value>, stored: KeyValue): Value | undefined {
    try {
      return type.parse(stored)
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#leaveOut(error)
      return undefined
    }
  }

  #leaveOut(error: UnreadableRecord): void {
    this.leftOut += 1
    this.#options.onUnreadable(error)
  }
}

/** How many commands from one on have payloads that are read at once: one at least. */
function fitting(commands: readonly { readonly payloadBytes: number }[], from: number): number {
  let bytes = 0
  let count = 0
  for (const { payloadBytes } of commands.slice(from, from + valuesAtOnce)) {
    bytes += payloadBytes
    if (count > 0 && bytes > mostPageBytes) break
    count += 1
  }
  return count
}

function countIn(result: OperationResult | undefined): number {
  return result?.kind === 'get' ? result.count : 0
}
