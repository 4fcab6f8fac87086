import { describe, expect, test } from '@jest/globals'
import { agentRecord } from '../../src/agents/agent-records.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { StoreUnavailable } from '../../src/store/errors.ts'
import type { Transaction, TransactionResult } from '../../src/store/key-value.ts'

const away = new StoreUnavailable('away', { mayHaveHappened: false })
const record = agentRecord.serialize({ approval: 'pending', registeredAt: '2026-01-01T00:00:00Z' })
const stored = { key: '/agent', value: Buffer.from(record), createRevision: 1n, modRevision: 1n, lease: 0n }

/** A registry whose etcd goes away when it has done what changes an agent. */
function leaving(): AgentRegistry {
  let isAway = false
  const transact = ({ then }: Transaction): Promise<TransactionResult> => {
    if (isAway) return Promise.reject(away)
    isAway = then.some((step) => 'put' in step)
    const results = then.map(() => ({ kind: 'get' as const, items: [stored], more: false, count: 1 }))
    return Promise.resolve({ succeeded: true, revision: 1n, results })
  }
  return new AgentRegistry({
    transact,
    get: () => (isAway ? Promise.reject(away) : Promise.resolve({ found: stored, revision: 1n })),
    list: () => Promise.reject(away),
  })
}

describe('where etcd goes away after a change, it is not said that nothing was changed, of', () => {
  test('an agent that was created', async () => {
    const created = leaving().create('one', { approved: true, by: 'ada' })
    await expect(created).rejects.toMatchObject({ mayHaveHappened: true })
  })

  test('an agent that was approved', async () => {
    await expect(leaving().decide('one', 'approved', 'ada')).rejects.toMatchObject({ mayHaveHappened: true })
  })
})

test('where etcd was away before, nothing was changed', async () => {
  const registry = leaving()
  await registry.create('one', { approved: true, by: 'ada' }).catch(() => undefined)
  await expect(registry.decide('one', 'approved', 'ada')).rejects.toBe(away)
})
