import { describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { mostDoneCommands, Sweep } from '../../src/commands/sweep.ts'
import { StoreFull, StoreRefused, StoreUnavailable } from '../../src/store/errors.ts'
import type { Page, Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import { madeAtMs, openCommand } from './open-entry.ts'

const agents = ['one-agent', 'some-agent']
const commands = ['a', 'b', 'c']

/** A store with commands that are past their deadline, and agents with too many that ended; some writes of it fail. */
class FailingStore {
  /** Keys that were deleted. */
  readonly deleted: string[] = []
  readonly #fails: Readonly<Record<string, Error>>

  /** @param fails why what deletes a key fails */
  constructor(fails: Readonly<Record<string, Error>>) {
    this.#fails = fails
  }

  transact({ then }: Transaction): Promise<TransactionResult> {
    const deletes = then.flatMap((step) => ('delete' in step ? [step.delete] : []))
    for (const key of deletes) {
      const error = this.#fails[key]
      if (error !== undefined) return Promise.reject(error)
    }
    this.deleted.push(...deletes)
    const results = then.map(() => ({ kind: 'get' as const, items: [], more: false, count: mostDoneCommands + 1 }))
    return Promise.resolve({ succeeded: true, revision: 1n, results })
  }

  list(prefix: string): Promise<Page> {
    const found =
      prefix === prefixes.allOpenCommands
        ? commands.map((id) => [keys.openCommand('some-agent', id), openCommandRecord.serialize(openCommand(id))])
        : prefix === prefixes.agents
          ? agents.map((id) => [keys.agent(id), ''])
          : [[`${prefix}oldest`, '']]
    const items = found.map(([key = '', value = '']) => ({
      ...{ key, value: Buffer.from(value), createRevision: 1n, modRevision: 1n, lease: 0n },
    }))
    return Promise.resolve({ items, revision: 1n, more: false })
  }

  expiry(): Promise<bigint> {
    return Promise.resolve(1n)
  }
}

function sweepOf(fails: Readonly<Record<string, Error>>, signal = new AbortController().signal) {
  const store = new FailingStore(fails)
  const log = recordedLog()
  const sweep = new Sweep({ store, lease: new HourlyLease(store), log: log.log, wallMs: () => madeAtMs + 61_000 })
  return { store, log, left: sweep.sweep(signal) }
}

const open = (id: string): string => keys.openCommand('some-agent', id)
const oldest = (agentId: string): string => keys.doneCommand(agentId, 'oldest')

describe('a sweep', () => {
  test('goes on after a command that cannot be ended, and counts it as open', async () => {
    const { store, log, left } = sweepOf({ [open('a')]: new StoreRefused('no') })
    const { createdAt } = openCommand('a')
    expect(await left).toEqual({ count: 1, oldestCreatedAt: createdAt, unreadable: 0 })
    expect(store.deleted).toEqual(expect.arrayContaining([open('b'), open('c'), ...agents.map(oldest)]))
    expect(log.events()).toEqual(['sweep-leaves-out'])
  })

  test('goes on after an agent of which nothing can be removed', async () => {
    const { store, log, left } = sweepOf({ [oldest('one-agent')]: new StoreRefused('no') })
    expect(await left).toEqual({ count: 0, unreadable: 0 })
    expect(store.deleted).toContain(oldest('some-agent'))
    expect(log.events()).toEqual(['sweep-leaves-out'])
  })

  test('removes nothing more once it is aborted', async () => {
    const stop = new AbortController()
    const { store, left } = sweepOf({}, stop.signal)
    await waitFor('the first removal', () => store.deleted.includes(oldest('one-agent')), { everyMilliseconds: 1 })
    stop.abort()
    await left
    expect(store.deleted).not.toContain(oldest('some-agent'))
  })

  test.each([
    new StoreUnavailable('away', { mayHaveHappened: false }),
    new StoreFull('full', { mayHaveHappened: true }),
  ])('fails if etcd is away or full: %p', async (error) => {
    const { log, left } = sweepOf({ [open('a')]: error })
    await expect(left).rejects.toThrow(error)
    expect(log.events()).toEqual([])
  })
})
