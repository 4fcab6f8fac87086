import type { CommandResource } from '@regent/contract/api.ts'
import { agentRecord } from '../agents/agent-records.ts'
import { Conflict, NotThere } from '../agents/errors.ts'
import { Batches, type Waiting } from '../store/batches.ts'
import { afterLost, isLost, type Lost, StoreFull, StoreUnavailable } from '../store/errors.ts'
import type { KeyValue, Operation } from '../store/key-value.ts'
import { keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import {
  commandResource,
  idempotencyRecord,
  type OpenCommand,
  openCommandRecord,
  type Payload,
  payloadRecord,
} from './command-records.ts'
import { IdempotencyKeyReused, QueueFull } from './errors.ts'
import { itemsOf } from './fenced-commands.ts'
import type { HourlyLease } from './hourly-lease.ts'
import { readCommand, resourceOf, storedIn } from './stored-commands.ts'

/** A command that is to be stored. */
export interface NewCommand {
  readonly command: OpenCommand
  readonly payload: Payload
  /** The key under which it is found when it is asked for again, and a hash of all that was asked for. */
  readonly idempotency?: { readonly hash: string; readonly bodyHash: string } | undefined
}

/** A command that is stored, and whether it was now or before, by the same idempotency key. */
export interface Created {
  readonly command: CommandResource
  readonly created: boolean
}

type Wanted = Waiting<NewCommand, Created>

export interface CommandIntakeOptions {
  readonly store: Pick<Store, 'transact'>
  readonly agentId: string
  readonly lease: HourlyLease
  /** Most open commands of the agent; one batch of each pod may exceed it. */
  readonly mostOpen: number
}

/** What an agent was found to be. */
interface KnownAgent {
  /** Its record, approved. What is stored compares it. */
  readonly agent: KeyValue
  /** Open commands that were counted, and those that were stored here since. */
  readonly open: number
  /** When it was counted, by `performance.now()`. */
  readonly countedMs: number
}

/** Those of a batch that are to be stored, for the agent as it is known. */
interface Admitted {
  readonly known: KnownAgent
  readonly admitted: readonly Wanted[]
}

/** Most commands of one transaction: three steps each. */
const MOST_COMMANDS = 40
/** Most bytes of payloads of one transaction, unless a single one is larger. */
const MOST_BYTES = 768 * 1024
/** For so long a count of open commands is gone by, in milliseconds, although other pods may add some. */
const COUNTED_MS = 1000
/** Of the most open commands, the part up to which that is done: four pods together do not exceed it. */
const UNCOUNTED_PART = 1 / 4
/** How often a transaction is tried whose guards fail or whose answer is lost. */
const MOST_TRIES = 5

/**
 * Stores commands of one agent. Those that come while others are being stored are stored together: one agent's rate
 * is bounded by the size of transactions and not by their number.
 */
export class CommandIntake {
  readonly #options: CommandIntakeOptions
  readonly #batches: Batches<NewCommand, Created>
  #known: KnownAgent | undefined

  constructor(options: CommandIntakeOptions) {
    this.#options = options
    this.#batches = new Batches({ together: storedTogether, run: (batch) => this.#store(batch) })
  }

  /** Whether nothing waits: then it may be forgotten. */
  get isIdle(): boolean {
    return this.#batches.isIdle
  }

  /**
   * Stores a command, or finds the one that was stored with the same idempotency key.
   * @throws NotThere, Conflict, QueueFull, IdempotencyKeyReused, StoreUnavailable, StoreFull
   */
  async add(wanted: NewCommand): Promise<Created> {
    if (this.#batches.waiting >= this.#options.mostOpen) throw this.#full()
    return await this.#batches.add(wanted)
  }

  async #store(batch: readonly Wanted[]): Promise<void> {
    let unanswered = batch
    let lost: Lost | undefined
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const assumed = this.#assume(unanswered)
      // Where it turns out to be otherwise, the next round looks.
      this.#known = undefined
      const { known, admitted } =
        assumed ??
        (await this.#admit(unanswered, lost).catch((error: unknown) => {
          throw afterLost(error, lost)
        }))
      if (admitted.length === 0) return
      // Who was refused is not stored by the next round either, although there may be room by then.
      unanswered = admitted
      try {
        if (await this.#write(known.agent, admitted)) {
          this.#known = { ...known, open: known.open + admitted.length }
          for (const { item: wanted, resolve } of admitted) {
            resolve({ command: commandResource(wanted.command, wanted.payload), created: true })
          }
          return
        }
      } catch (error) {
        if (!isLost(error)) throw afterLost(error, lost)
        // The next round finds the commands if they were stored.
        lost ??= error
      }
    }
    throw lost ?? new StoreUnavailable('others changed the agent all the time', { mayHaveHappened: false })
  }

  /** All are admitted where the agent was looked at a moment ago and there is much room: nothing is read then. */
  #assume(batch: readonly Wanted[]): Admitted | undefined {
    const known = this.#known
    if (known === undefined || performance.now() - known.countedMs > COUNTED_MS) return undefined
    if (known.open + batch.length > this.#options.mostOpen * UNCOUNTED_PART) return undefined
    return { known, admitted: batch }
  }

  /**
   * Answers those that need not or must not be stored, and returns the others.
   * @param lost what came of a write of them that may have taken place, or may yet
   */
  async #admit(batch: readonly Wanted[], lost: Lost | undefined): Promise<Admitted> {
    const { store, agentId, mostOpen } = this.#options
    const countedMs = performance.now()
    const { results } = await store.transact({
      when: [],
      then: [
        { get: keys.agent(agentId) },
        { count: prefixes.openCommands(agentId) },
        ...(lost ? batch.map(({ item }) => ({ get: keys.commandPayload(agentId, item.command.commandId) })) : []),
        ...batch.flatMap(({ item }) => (item.idempotency ? [{ get: keys.idempotency(item.idempotency.hash) }] : [])),
      ],
    })
    const [agent] = itemsOf(results[0])
    if (agent === undefined) throw new NotThere(`agent '${agentId}'`)
    const { approval } = agentRecord.parse(agent)
    const refusal =
      approval === 'approved'
        ? undefined
        : new Conflict(`agent '${agentId}' is ${approval}; approve it before you give it commands`)
    const open = results[1]?.kind === 'get' ? results[1].count : 0
    let room = mostOpen - open
    const stored = (lost ? results.slice(2, 2 + batch.length) : []).map((result) => itemsOf(result)[0])
    const used = results.slice(2 + stored.length).flatMap((result) => itemsOf(result))
    const admitted: Wanted[] = []
    for (const [index, waiting] of batch.entries()) {
      const { item: wanted, resolve, reject } = waiting
      const { idempotency } = wanted
      const before = idempotency && used.find(({ key }) => key === keys.idempotency(idempotency.hash))
      if (stored[index] !== undefined) {
        resolve({ command: commandResource(wanted.command, wanted.payload), created: true })
      } else if (refusal !== undefined) {
        reject(refusal)
      } else if (idempotency !== undefined && before !== undefined) {
        resolve(this.#existing(before, idempotency.bodyHash))
      } else if (lost instanceof StoreFull) {
        reject(lost.withoutEffect)
      } else if (room <= 0) {
        // Whoever is told that the queue is full takes it that nothing is stored.
        reject(lost ?? this.#full())
      } else {
        room -= 1
        admitted.push(waiting)
      }
    }
    return { known: { agent, open, countedMs }, admitted }
  }

  /** The command that was made with the same key before. */
  async #existing(stored: KeyValue, bodyHash: string): Promise<Created> {
    const before = idempotencyRecord.parse(stored)
    if (before.bodyHash !== bodyHash) {
      throw new IdempotencyKeyReused(
        `the idempotency key was used for command '${before.commandId}' of agent '${before.agentId}'; use another one`,
      )
    }
    const then = readCommand(before.agentId, before.commandId)
    const [found] = storedIn((await this.#options.store.transact({ when: [], then })).results)
    const command = found && resourceOf(found)
    if (command !== undefined) return { command, created: false }
    throw new Conflict(
      `command '${before.commandId}', made with this idempotency key, has ended and is not kept any more`,
    )
  }

  /** @returns whether they were stored; else the agent, or a key of idempotency, has changed */
  async #write(agent: KeyValue, admitted: readonly Wanted[]): Promise<boolean> {
    const { store, lease } = this.#options
    const write = async (id: bigint): Promise<boolean> => {
      const puts = admitted.flatMap(({ item }) => putsOf(item, id))
      const { succeeded } = await store.transact({
        when: [
          { key: agent.key, modRevision: agent.modRevision },
          ...puts.map(({ put }) => ({ key: put, exists: false })),
        ],
        then: puts,
      })
      return succeeded
    }
    const hasKeys = admitted.some(({ item }) => item.idempotency !== undefined)
    return hasKeys ? await lease.use(write) : await write(0n)
  }

  #full(): QueueFull {
    const { agentId, mostOpen } = this.#options
    return new QueueFull(
      `agent '${agentId}' has ${mostOpen} open commands, as many as may be; wait until some have ended`,
    )
  }
}

/** The first that wait; a key of idempotency once only. */
function storedTogether(waiting: readonly Wanted[]): number {
  const hashes = new Set<string>()
  let bytes = 0
  let count = 0
  for (const { item } of waiting) {
    const hash = item.idempotency?.hash
    bytes += item.command.payloadBytes
    if (count === MOST_COMMANDS || (count > 0 && bytes > MOST_BYTES) || (hash !== undefined && hashes.has(hash))) break
    if (hash !== undefined) hashes.add(hash)
    count += 1
  }
  return count
}

function putsOf(
  { command, payload, idempotency }: NewCommand,
  lease: bigint,
): readonly Extract<Operation, { put: string }>[] {
  const { agentId, commandId } = command
  return [
    { put: keys.openCommand(agentId, commandId), value: openCommandRecord.serialize(command) },
    { put: keys.commandPayload(agentId, commandId), value: payloadRecord.serialize({ payload }) },
    ...(idempotency === undefined
      ? []
      : [
          {
            put: keys.idempotency(idempotency.hash),
            value: idempotencyRecord.serialize({ agentId, commandId, bodyHash: idempotency.bodyHash }),
            lease,
          },
        ]),
  ]
}
