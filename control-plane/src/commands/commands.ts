import { createHash } from 'node:crypto'
import { type CommandResource, type CreateCommand, largestPayloadBytes } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import {
  afterLost,
  afterWrite,
  isLost,
  type Lost,
  StoreFull,
  StoreUnavailable,
  TooLarge,
  UnreadableRecord,
} from '../store/errors.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { CommandIds } from './command-ids.ts'
import { CommandIntake, type Created } from './command-intake.ts'
import { type OpenCommand, openCommandRecord } from './command-records.ts'
import { endCommand, type ObserveEnd, observeEnd } from './end-command.ts'
import { endedWithoutAgent } from './ending.ts'
import { putOpen } from './fenced-commands.ts'
import type { HourlyLease } from './hourly-lease.ts'
import { readCommand, resourceOf, type StoredCommand, storedIn } from './stored-commands.ts'

export interface CommandsOptions {
  readonly store: Pick<Store, 'transact' | 'list'>
  /** Keeps what ended, and keys of idempotency. One for the whole pod. */
  readonly lease: HourlyLease
  /** Most open commands of one agent. One batch of each pod may exceed it. */
  readonly mostOpen: number
  /** @default nobody */
  readonly observeEnd?: ObserveEnd | undefined
  readonly log: Log
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}

/** Who asks, and under which key of idempotency. */
export interface CreateOptions {
  /** Name of the principal. */
  readonly by: string
  /** The caller's own key: asked again with it, the same command is answered. It is the principal's alone. */
  readonly idempotencyKey?: string | undefined
}

/** Which part of the commands of an agent. */
export interface CommandsPage {
  /** Most commands. */
  readonly limit: number
  /** The last command of the page before. */
  readonly after?: string | undefined
}

/** How often a change is tried while the record changes under it, or its answer is lost. */
const MOST_TRIES = 10
/** So many commands are read by one transaction of the store. */
const CHUNK = 32
/** So many agents are remembered as they were when they were given commands last. */
const MOST_INTAKES = 1000
/** A page ends once its payloads have so many bytes. */
const MOST_BYTES = 4 * 1024 * 1024

/** The commands of agents, as people and programs see them. Any pod serves any of them. */
export class Commands {
  readonly #options: CommandsOptions
  readonly #wallMs: () => number
  readonly #ids: CommandIds
  readonly #intakes = new Map<string, CommandIntake>()

  constructor(options: CommandsOptions) {
    this.#options = options
    this.#wallMs = options.wallMs ?? Date.now
    this.#ids = new CommandIds(this.#wallMs)
  }

  /**
   * Stores a command; it is delivered as soon as the agent is connected and its target is free.
   * @throws TooLarge for a payload over the limit; NotThere where there is no such agent; Conflict where it is not
   * approved, or where what the idempotency key made is not kept any more; QueueFull; IdempotencyKeyReused;
   * StoreUnavailable, StoreFull
   */
  async create(agentId: string, wanted: CreateCommand, { by, idempotencyKey }: CreateOptions): Promise<Created> {
    const { action, target, payload, deadlineSeconds } = wanted
    const text = JSON.stringify(payload)
    const payloadBytes = Buffer.byteLength(text)
    if (payloadBytes > largestPayloadBytes) {
      throw new TooLarge(`payload: expected at most ${largestPayloadBytes} bytes of JSON, got ${payloadBytes}`)
    }
    const nowMs = this.#wallMs()
    const command: OpenCommand = {
      ...{ agentId, commandId: this.#ids.next(), action, target, payloadBytes },
      createdAt: new Date(nowMs).toISOString(),
      createdBy: by,
      deadlineAt: new Date(nowMs + deadlineSeconds * 1000).toISOString(),
      state: 'queued',
      deliveries: 0,
    }
    const idempotency =
      idempotencyKey === undefined
        ? undefined
        : {
            hash: sha256(JSON.stringify([by, idempotencyKey])),
            bodyHash: sha256(JSON.stringify([agentId, action, target, deadlineSeconds, text])),
          }
    return await this.#intakeOf(agentId).add({ command, payload, idempotency })
  }

  /** A command; `undefined` where there is none, or not any more. @throws UnreadableRecord, StoreUnavailable */
  async get(agentId: string, commandId: string): Promise<CommandResource | undefined> {
    return resourceOf(await this.#read(agentId, commandId))
  }

  /**
   * A page of the commands of an agent, open or ended, about from the oldest to the newest: by id. It may be shorter
   * than `limit` although there are more: `next` tells.
   * @throws StoreUnavailable
   */
  async list(
    agentId: string,
    { limit, after }: CommandsPage,
  ): Promise<{ readonly items: readonly CommandResource[]; readonly next: string | undefined }> {
    const { store } = this.#options
    const prefix = prefixes.commandPayloads(agentId)
    // Keys alone: what a command carries is there from its creation until nothing is known of it.
    const position = after === undefined ? undefined : { key: keys.commandPayload(agentId, after), createRevision: 0n }
    const page = await store.list(prefix, { limit, after: position, keysOnly: true })
    const ids = page.items.map(({ key }) => idOf(key))
    const items: CommandResource[] = []
    let bytes = 0
    let read = 0
    while (read < ids.length && bytes < MOST_BYTES) {
      const chunk = ids.slice(read, read + CHUNK)
      const then = chunk.flatMap((commandId) => readCommand(agentId, commandId))
      for (const stored of storedIn((await store.transact({ when: [], then })).results)) {
        bytes += (stored.payload?.value.byteLength ?? 0) + (stored.done?.value.byteLength ?? 0)
        const item = this.#readable(stored)
        if (item !== undefined) items.push(item)
      }
      read += chunk.length
    }
    return { items, next: read < ids.length || page.more ? ids[read - 1] : undefined }
  }

  /**
   * Gives a command up: one that waits has ended at once; the agent is asked to end one that it has, and its result is
   * what the agent says. One that has ended stays as it is.
   * @returns the command as it is then; `undefined` where there is none
   * @throws UnreadableRecord, StoreUnavailable, StoreFull
   */
  async cancel(
    agentId: string,
    commandId: string,
    { by }: { readonly by: string },
  ): Promise<CommandResource | undefined> {
    let lost: Lost | undefined
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const stored = await this.#read(agentId, commandId).catch((error: unknown) => {
        // Every round but the first follows a write.
        throw afterLost(tries === 0 ? error : afterWrite(error), lost)
      })
      if (stored.open === undefined) return resourceOf(stored)
      const command = openCommandRecord.parse(stored.open)
      if (command.state !== 'queued' && command.cancelRequestedBy !== undefined) return resourceOf(stored)
      if (lost instanceof StoreFull) throw lost.withoutEffect
      try {
        await this.#giveUp({ ...command, cancelRequestedBy: command.cancelRequestedBy ?? by }, stored.open.modRevision)
      } catch (error) {
        if (!isLost(error)) throw afterLost(error, lost)
        lost ??= error
      }
    }
    throw lost ?? new StoreUnavailable('the command changed all the time', { mayHaveHappened: false })
  }

  /** Whether it succeeded is seen by reading again. */
  async #giveUp(command: OpenCommand, modRevision: bigint): Promise<void> {
    const { store, lease, observeEnd: observe } = this.#options
    const when = [{ key: keys.openCommand(command.agentId, command.commandId), modRevision }]
    if (command.state !== 'queued') {
      await store.transact({ when, then: [putOpen(command)] })
      return
    }
    const done = endedWithoutAgent(command, 'cancelled', this.#wallMs())
    const { succeeded } = await lease.use((id) => store.transact({ when, then: endCommand(done, id) }))
    if (succeeded) observeEnd(observe, done)
  }

  async #read(agentId: string, commandId: string): Promise<StoredCommand> {
    const { results } = await this.#options.store.transact({ when: [], then: readCommand(agentId, commandId) })
    const [stored] = storedIn(results)
    return stored ?? { open: undefined, done: undefined, payload: undefined }
  }

  #readable(stored: StoredCommand): CommandResource | undefined {
    try {
      return resourceOf(stored)
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#options.log.error('command-unreadable', { key: error.key, error })
      return undefined
    }
  }

  #intakeOf(agentId: string): CommandIntake {
    const { store, lease, mostOpen } = this.#options
    const intake = this.#intakes.get(agentId) ?? new CommandIntake({ store, agentId, lease, mostOpen })
    // From those that were not used longest. One that is not idle was used a moment ago.
    this.#intakes.delete(agentId)
    this.#intakes.set(agentId, intake)
    const [oldest] = this.#intakes
    if (this.#intakes.size > MOST_INTAKES && oldest?.[1].isIdle === true) this.#intakes.delete(oldest[0])
    return intake
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
