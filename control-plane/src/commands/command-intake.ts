import type { CommandResource } from '@regent/contract/api.ts'
import { agentRecord } from '../agents/agent-records.ts'
import { Conflict, NotThere } from '../agents/errors.ts'
import { StoreUnavailable } from '../store/errors.ts'
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

interface Waiting {
  readonly wanted: NewCommand
  readonly resolve: (created: Created) => void
  readonly reject: (error: unknown) => void
}

export interface CommandIntakeOptions {
  readonly store: Pick<Store, 'transact'>
  readonly agentId: string
  readonly lease: HourlyLease
  /** Most open commands of the agent; one batch of each pod may exceed it. */
  readonly mostOpen: number
}

/** Most commands of one transaction: three steps each. */
const MOST_COMMANDS = 40
/** Most bytes of payloads of one transaction, unless a single one is larger. */
const MOST_BYTES = 768 * 1024
/** How often a transaction is tried whose guards fail or whose answer is lost. */
const MOST_TRIES = 5

/**
 * Stores commands of one agent. Those that come while others are being stored are stored together: one agent's rate
 * is bounded by the size of transactions and not by their number.
 */
export class CommandIntake {
  readonly #options: CommandIntakeOptions
  readonly #waiting: Waiting[] = []
  #isStoring = false

  constructor(options: CommandIntakeOptions) {
    this.#options = options
  }

  /** Whether nothing waits: then it may be forgotten. */
  get isIdle(): boolean {
    return !this.#isStoring && this.#waiting.length === 0
  }

  /**
   * Stores a command, or finds the one that was stored with the same idempotency key.
   * @throws NotThere, Conflict, QueueFull, IdempotencyKeyReused, StoreUnavailable, StoreFull
   */
  async add(wanted: NewCommand): Promise<Created> {
    if (this.#waiting.length >= this.#options.mostOpen) throw this.#full()
    return await new Promise<Created>((resolve, reject) => {
      this.#waiting.push({ wanted, resolve, reject })
      if (!this.#isStoring) void this.#storeAll()
    })
  }

  async #storeAll(): Promise<void> {
    this.#isStoring = true
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch()
      try {
        await this.#store(batch)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isStoring = false
  }

  /** The first that wait; a key of idempotency once only. */
  #nextBatch(): readonly Waiting[] {
    const hashes = new Set<string>()
    let bytes = 0
    let count = 0
    for (const { wanted } of this.#waiting) {
      const hash = wanted.idempotency?.hash
      bytes += wanted.command.payloadBytes
      if (count === MOST_COMMANDS || (count > 0 && bytes > MOST_BYTES) || (hash !== undefined && hashes.has(hash)))
        break
      if (hash !== undefined) hashes.add(hash)
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #store(batch: readonly Waiting[]): Promise<void> {
    let lost: StoreUnavailable | undefined
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { agent, admitted } = await this.#admit(batch, tries > 0)
      if (admitted.length === 0) return
      try {
        if (await this.#write(agent, admitted)) {
          for (const { wanted, resolve } of admitted) {
            resolve({ command: commandResource(wanted.command, wanted.payload), created: true })
          }
          return
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable && error.mayHaveHappened)) throw error
        // The next round finds the commands if they were stored.
        lost = error
      }
    }
    throw lost ?? new StoreUnavailable('others changed the agent all the time', { mayHaveHappened: false })
  }

  /** Answers those that need not or must not be stored, and returns the others. */
  async #admit(
    batch: readonly Waiting[],
    again: boolean,
  ): Promise<{ readonly agent: KeyValue; readonly admitted: readonly Waiting[] }> {
    const { store, agentId, mostOpen } = this.#options
    const { results } = await store.transact({
      when: [],
      then: [
        { get: keys.agent(agentId) },
        { count: prefixes.openCommands(agentId) },
        ...(again ? batch.map(({ wanted }) => ({ get: keys.commandPayload(agentId, wanted.command.commandId) })) : []),
        ...batch.flatMap(({ wanted }) =>
          wanted.idempotency ? [{ get: keys.idempotency(wanted.idempotency.hash) }] : [],
        ),
      ],
    })
    const [agent] = itemsOf(results[0])
    if (agent === undefined) throw new NotThere(`agent '${agentId}'`)
    const { approval } = agentRecord.parse(agent)
    if (approval !== 'approved') {
      throw new Conflict(`agent '${agentId}' is ${approval}; approve it before you give it commands`)
    }
    let room = mostOpen - (results[1]?.kind === 'get' ? results[1].count : 0)
    const stored = (again ? results.slice(2, 2 + batch.length) : []).map((result) => itemsOf(result)[0])
    const used = results.slice(2 + stored.length).flatMap((result) => itemsOf(result))
    const admitted: Waiting[] = []
    for (const [index, waiting] of batch.entries()) {
      const { wanted, resolve, reject } = waiting
      const { idempotency } = wanted
      const before = idempotency && used.find(({ key }) => key === keys.idempotency(idempotency.hash))
      if (stored[index] !== undefined) {
        resolve({ command: commandResource(wanted.command, wanted.payload), created: true })
      } else if (idempotency !== undefined && before !== undefined) {
        this.#existing(before, idempotency.bodyHash).then(resolve, reject)
      } else if (room <= 0) {
        reject(this.#full())
      } else {
        room -= 1
        admitted.push(waiting)
      }
    }
    return { agent, admitted }
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
  async #write(agent: KeyValue, admitted: readonly Waiting[]): Promise<boolean> {
    const { store, lease } = this.#options
    const write = async (id: bigint): Promise<boolean> => {
      const puts = admitted.flatMap(({ wanted }) => putsOf(wanted, id))
      const { succeeded } = await store.transact({
        when: [
          { key: agent.key, modRevision: agent.modRevision },
          ...puts.map(({ put }) => ({ key: put, exists: false })),
        ],
        then: puts,
      })
      return succeeded
    }
    const hasKeys = admitted.some(({ wanted }) => wanted.idempotency !== undefined)
    return hasKeys ? await lease.use(write) : await write(0n)
  }

  #full(): QueueFull {
    const { agentId, mostOpen } = this.#options
    return new QueueFull(
      `agent '${agentId}' has ${mostOpen} open commands, as many as may be; wait until some have ended`,
    )
  }
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
