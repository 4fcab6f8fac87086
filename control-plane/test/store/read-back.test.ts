import { expect, test } from '@jest/globals'
import { StoreFull, StoreRefused, StoreUnavailable } from '../../src/store/errors.ts'
import type { KeyValue } from '../../src/store/key-value.ts'
import { transactAndLook } from '../../src/store/read-back.ts'

const key = '/new'
const put = { when: [{ key, exists: false }], then: [{ put: key, value: 'x' }] }
const there: KeyValue = { key, value: Buffer.from('x'), createRevision: 1n, modRevision: 1n, lease: 0n }
const away = new StoreUnavailable('away', { mayHaveHappened: false })
const lost = new StoreUnavailable('no answer', { mayHaveHappened: true })
const full = new StoreFull('no room', { mayHaveHappened: true })

/** What comes of a write that fails, where looking for its key finds this. */
function outcome(failure: Error, found: KeyValue | undefined | Error): Promise<unknown> {
  return transactAndLook(
    {
      transact: () => Promise.reject(failure),
      get: () => (found instanceof Error ? Promise.reject(found) : Promise.resolve({ found, revision: 1n })),
    },
    key,
    put,
  )
}

test.each([lost, full])(
  'a write whose key is there has taken place, although that was said of it: %s',
  async (failure) => {
    expect(await outcome(failure, there)).toBeUndefined()
  },
)

test('a write whose key is not there has not taken place where etcd was full, and may yet where it did not answer', async () => {
  await expect(outcome(full, undefined)).rejects.toMatchObject({ name: 'StoreFull', mayHaveHappened: false })
  await expect(outcome(lost, undefined)).rejects.toBe(lost)
})

test.each([lost, full])('a write that cannot be looked for may have taken place: %s', async (failure) => {
  await expect(outcome(failure, away)).rejects.toMatchObject({ mayHaveHappened: true })
})

test('what surely did not take place is not looked for', async () => {
  const refused = new StoreRefused('no')
  await expect(outcome(refused, new Error('looked for'))).rejects.toBe(refused)
  await expect(outcome(away, new Error('looked for'))).rejects.toBe(away)
})
