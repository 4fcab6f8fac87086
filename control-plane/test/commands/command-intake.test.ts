import { expect, test } from '@jest/globals'
import { agentRecord } from '../../src/agents/agent-records.ts'
import { CommandIntake } from '../../src/commands/command-intake.ts'
import { QueueFull } from '../../src/commands/errors.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { StoreFull, StoreUnavailable } from '../../src/store/errors.ts'
import type { Operation, OperationResult, Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { idOf, keys, prefixes } from '../../src/store/keys.ts'
import { openCommand } from './open-entry.ts'

const agentId = 'some-agent'
const mostOpen = 50

/** A store with one agent, of which each write does what the test says. */
class ScriptedStore {
  /** Open commands, as they are counted. */
  open = 0
  /** Ids of the commands that were stored. */
  readonly stored: string[] = []
  /** What becomes of the next writes; those after them are stored. */
  readonly fates: (() => 'stored' | 'refused' | 'lost' | 'full' | 'stored and full')[] = []
  approval: 'approved' | 'rejected' = 'approved'
  /** Nothing can be read while it is. */
  isAway = false

  transact({ then }: Transaction): Promise<TransactionResult> {
    const ids = then.flatMap((step) =>
      'put' in step && step.put.startsWith(prefixes.openCommands(agentId)) ? [idOf(step.put)] : [],
    )
    if (ids.length === 0 && this.isAway) throw new StoreUnavailable('away', { mayHaveHappened: false })
    const fate = ids.length === 0 ? 'stored' : (this.fates.shift()?.() ?? 'stored')
    if (fate === 'lost') throw new StoreUnavailable('the answer is lost', { mayHaveHappened: true })
    if (fate === 'stored' || fate === 'stored and full') {
      this.stored.push(...ids)
      this.open += ids.length
    }
    if (fate.endsWith('full')) throw new StoreFull('no room', { mayHaveHappened: true })
    return Promise.resolve({ succeeded: fate === 'stored', revision: 1n, results: then.map((step) => this.#do(step)) })
  }

  #do(step: Operation): OperationResult {
    if ('count' in step) return { kind: 'get', items: [], more: false, count: this.open }
    const value = 'get' in step ? this.#valueOf(step.get) : undefined
    if (!('get' in step) || value === undefined) return { kind: 'get', items: [], more: false, count: 0 }
    const item = { key: step.get, value: Buffer.from(value), createRevision: 1n, modRevision: 1n, lease: 0n }
    return { kind: 'get', items: [item], more: false, count: 1 }
  }

  #valueOf(key: string): string | undefined {
    if (this.stored.some((id) => key === keys.commandPayload(agentId, id))) return '1'
    if (key !== keys.agent(agentId)) return undefined
    return agentRecord.serialize({ approval: this.approval, registeredAt: new Date().toISOString() })
  }
}

/** What each of some commands that come at once is answered. */
async function answers(store: ScriptedStore, ...ids: readonly string[]): Promise<readonly string[]> {
  return (await outcomes(store, ...ids)).map((one) => (one instanceof Error ? one.name : one))
}

async function outcomes(store: ScriptedStore, ...ids: readonly string[]): Promise<readonly ('created' | Error)[]> {
  const lease = new HourlyLease({ expiry: () => Promise.resolve(1n) })
  const intake = new CommandIntake({ store, agentId, lease, mostOpen })
  const settled = await Promise.allSettled(
    ids.map((commandId) => intake.add({ command: openCommand(commandId, { agentId }), payload: 1 })),
  )
  return settled.map((one) => (one.status === 'fulfilled' ? 'created' : (one.reason as Error)))
}

test('what was refused is not stored by another try, although there is room by then', async () => {
  const store = new ScriptedStore()
  // The first comes alone and leaves room for one of the others.
  store.open = mostOpen - 2
  store.fates.push(
    () => 'stored',
    () => {
      store.open -= 1
      return 'refused'
    },
  )
  expect(await answers(store, 'first', 'second', 'third')).toEqual(['created', 'created', QueueFull.name])
  expect(store.stored).toEqual(['first', 'second'])
})

test('the queue is not said to be full to whom a write may have stored whose answer was lost', async () => {
  const store = new ScriptedStore()
  store.open = mostOpen - 1
  store.fates.push(() => {
    // Somebody else takes the room before it is looked again.
    store.open = mostOpen
    return 'lost'
  })
  expect(await answers(store, 'only')).toEqual([StoreUnavailable.name])
})

test('what a full etcd stored and refused is said to be created, and what it did not store is tried once', async () => {
  const store = new ScriptedStore()
  store.fates.push(() => 'stored and full')
  expect(await answers(store, 'first')).toEqual(['created'])
  store.fates.push(() => 'full')
  expect(await outcomes(store, 'second')).toEqual([expect.objectContaining({ mayHaveHappened: false })])
  expect(store.stored).toEqual(['first'])
})

test.each(['lost', 'stored and full'] as const)(
  'where a write was %s, and it cannot be looked at what became of it, nobody is told that nothing was changed',
  async (fate) => {
    const store = new ScriptedStore()
    store.fates.push(() => {
      store.isAway = true
      return fate
    })
    expect(await outcomes(store, 'only')).toEqual([expect.objectContaining({ mayHaveHappened: true })])
  },
)

test('a command that was stored is said to be created, although its agent was rejected since', async () => {
  const store = new ScriptedStore()
  store.fates.push(() => {
    store.approval = 'rejected'
    return 'stored and full'
  })
  expect(await answers(store, 'first')).toEqual(['created'])
  expect(await answers(store, 'second')).toEqual(['Conflict'])
})
