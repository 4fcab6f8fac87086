import { expect, jest, test } from '@jest/globals'
import { etcdUsers } from '@regent/contract/etcd-users.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { AccessKeeper } from '../../src/etcd-access/access-keeper.ts'
import type { Converged } from '../../src/etcd-access/etcd-access.ts'

const done: Converged = { changes: [], strangers: [] }

function keeperOf(converge: () => Promise<Converged>, mayChange: () => Promise<void> = () => Promise.resolve()) {
  const recorded = recordedLog()
  const clock = { nowMs: 0 }
  const keeper = new AccessKeeper({
    access: { converge },
    declared: etcdUsers,
    mayChange,
    log: recorded.log,
    everyMs: 20,
    nowMs: () => clock.nowMs,
  })
  return { keeper, clock, ...recorded }
}

test('is ready once etcd was seen as declared, and not any more when that is long ago', async () => {
  const { keeper, clock } = keeperOf(() => Promise.resolve(done))
  expect(keeper.asDeclared).toBe(false)
  expect(keeper.explanation).toContain('never yet: etcd was not looked at yet')
  const stopped = new AbortController()
  const running = keeper.run(stopped.signal)
  await waitFor('a look', () => Promise.resolve(keeper.asDeclared))
  expect(keeper.explanation).toContain('as declared 0 s ago, and its authentication on')
  stopped.abort()
  await running
  clock.nowMs = 61
  expect(keeper.asDeclared).toBe(false)
})

test('looks again and again, and says why it knows nothing, once', async () => {
  const converge = jest.fn(() => Promise.reject<Converged>(new Error('etcd cannot be reached')))
  const { keeper, events } = keeperOf(converge)
  const stopped = new AbortController()
  const running = keeper.run(stopped.signal)
  await waitFor('some looks', () => Promise.resolve(converge.mock.calls.length > 3))
  expect(keeper.explanation).toContain('etcd cannot be reached')
  converge.mockResolvedValue(done)
  await waitFor('a good one', () => Promise.resolve(keeper.asDeclared))
  stopped.abort()
  await running
  expect(events()).toEqual(['access-unknown', 'access-as-declared'])
})

test('touches nothing where it may not', async () => {
  const converge = jest.fn(() => Promise.resolve(done))
  const { keeper } = keeperOf(converge, () => Promise.reject(new Error('not the certificate of root')))
  const stopped = new AbortController()
  const running = keeper.run(stopped.signal)
  await waitFor('a reason', () => Promise.resolve(keeper.explanation.includes('not the certificate of root')))
  stopped.abort()
  await running
  expect(converge).not.toHaveBeenCalled()
})
