import { type ControlPlaneMessage } from '@regent/contract/messages.ts'
import { openLog } from '@regent/runtime/logging/log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { agentRecord } from '../../src/agents/agent-records.ts'
import { AgentQueue } from '../../src/commands/agent-queue.ts'
import type { Payload } from '../../src/commands/command-records.ts'
import { Commands } from '../../src/commands/commands.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { SharedFollow } from '../../src/commands/shared-follow.ts'
import { StoreUnavailable } from '../../src/store/errors.ts'
import type { Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'

type Sent = Extract<ControlPlaneMessage, { readonly type: 'command' | 'cancel' }>

/** A connection of an agent, with everything that the queue sent over it. */
export interface TestConnection {
  readonly queue: AgentQueue
  readonly sent: Sent[]
  /** What the queue told of its end. */
  readonly ends: unknown[]
  /** Waits until so many messages were sent. */
  readonly sends: (count: number) => Promise<readonly Sent[]>
}

/** A store of which the answers of chosen writes are lost, after the write or before it. */
export class LossyStore implements Pick<Store, 'transact' | 'follow'> {
  /** What becomes of the next write: its answer is lost, or it takes place only after the answer was given up. */
  next: 'answered' | 'lost' | 'late' = 'answered'
  /** The write that is late, once it has taken place. */
  late: Promise<TransactionResult> | undefined
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const writes = transaction.then.some((operation) => !('get' in operation || 'count' in operation))
    const fate = writes ? this.next : 'answered'
    if (fate === 'answered') return await this.#store.transact(transaction)
    this.next = 'answered'
    if (fate === 'lost') await this.#store.transact(transaction)
    // Behind whatever is decided first now.
    else this.late = new Promise((resolve) => setTimeout(() => resolve(this.#store.transact(transaction)), 100))
    throw new StoreUnavailable('the answer is lost', { mayHaveHappened: true })
  }

  follow(...parameters: Parameters<Store['follow']>): ReturnType<Store['follow']> {
    return this.#store.follow(...parameters)
  }
}

/** An agent of a real store, its commands and its connections. */
export class CommandPlace {
  readonly agentId: string
  readonly store: Store
  readonly commands: Commands
  readonly lease: HourlyLease
  readonly outcomes: string[] = []
  /** Lines of the log. */
  readonly lines: unknown[] = []
  /** Milliseconds that the wall clock of the commands is ahead. */
  aheadMs = 0
  readonly #queues: AgentQueue[] = []
  readonly #open: SharedFollow
  readonly #closed = new AbortController()
  readonly #watching: Promise<void>
  #connections = 0

  constructor(store: Store, agentId: string, mostOpen = 1000) {
    this.store = store
    this.agentId = agentId
    this.lease = new HourlyLease(store)
    this.commands = new Commands({ store, mostOpen, ...this.common })
    this.#open = new SharedFollow(store, prefixes.allOpenCommands, this.common.log)
    this.#watching = this.#open.run(this.#closed.signal)
  }

  get common() {
    return {
      lease: this.lease,
      observeEnd: (action: string, outcome: string) => void this.outcomes.push(`${action} ${outcome}`),
      log: openLog({
        level: 'debug',
        always: {},
        destination: { write: (line: string) => void this.lines.push(JSON.parse(line)) },
      }),
      wallMs: () => Date.now() + this.aheadMs,
    }
  }

  async approve(approval: 'pending' | 'approved' = 'approved'): Promise<void> {
    const value = agentRecord.serialize({ approval, registeredAt: new Date().toISOString() })
    await this.store.transact({ when: [], then: [{ put: keys.agent(this.agentId), value }] })
  }

  /** Gives the agent a command. @returns its id */
  async give(target = 'agent', payload: Payload = {}): Promise<string> {
    const asked = { action: 'describe', target, payload, deadlineSeconds: 60 }
    return (await this.commands.create(this.agentId, asked, { by: 'somebody' })).command.commandId
  }

  /** Registers a connection of a leader, which fences the one before. */
  async connect(epoch = '1', store: Pick<Store, 'transact' | 'follow'> = this.store): Promise<TestConnection> {
    const fence = keys.fence(this.agentId)
    const { revision } = await this.store.transact({ when: [], then: [{ put: fence, value: '{}' }] })
    const sent: Sent[] = []
    const ends: unknown[] = []
    const queue = new AgentQueue({
      ...this.common,
      store,
      open: this.#open,
      agentId: this.agentId,
      fence: { key: fence, modRevision: revision },
      deliverer: { connectionId: `connection-${this.#connections++}`, holder: `pod-${epoch}`, epoch },
      send: (message) => void sent.push(message),
      onFenced: () => void ends.push('fenced'),
      onFailed: (error) => void ends.push(error),
    })
    this.#queues.push(queue)
    const sends = (count: number): Promise<readonly Sent[]> =>
      waitFor(`${count} messages`, () => sent.length >= count && sent, { seconds: 20, everyMilliseconds: 5 })
    return { queue, sent, ends, sends }
  }

  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()))
    this.#closed.abort()
    await this.#watching
  }
}
