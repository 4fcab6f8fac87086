import { expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { openCommandRecord, payloadRecord } from '../../src/commands/command-records.ts'
import { Commands } from '../../src/commands/commands.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { StoreFull, StoreUnavailable } from '../../src/store/errors.ts'
import type { Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { keys } from '../../src/store/keys.ts'
import { openCommand } from './open-entry.ts'

const away = new StoreUnavailable('away', { mayHaveHappened: false })
const lost = new StoreUnavailable('no answer', { mayHaveHappened: true })
const full = new StoreFull('no room', { mayHaveHappened: true })

/** What cancelling an open command ends with, where its write comes to this and etcd is away or there afterwards. */
async function cancelled(write: 'done' | Error, afterwards: 'away' | 'there' = 'away'): Promise<unknown> {
  let hasWritten = false
  const open = openCommandRecord.serialize(openCommand('a'))
  const transact = ({ then }: Transaction): Promise<TransactionResult> => {
    if (then.some((step) => 'put' in step)) {
      hasWritten = true
      if (write instanceof Error) return Promise.reject(write)
    } else if (hasWritten && afterwards === 'away') return Promise.reject(away)
    const results = then.map((step) => {
      const key = 'get' in step ? step.get : ''
      const value = key === keys.openCommand('some-agent', 'a') ? open : payloadRecord.serialize({ payload: 1 })
      const item = { key, value: Buffer.from(value), createRevision: 1n, modRevision: 1n, lease: 0n }
      const items = key === keys.doneCommand('some-agent', 'a') ? [] : [item]
      return { kind: 'get' as const, items, more: false, count: items.length }
    })
    return Promise.resolve({ succeeded: true, revision: 1n, results })
  }
  const store = { transact, list: () => Promise.reject(away) }
  const lease = new HourlyLease({ expiry: () => Promise.resolve(1n) })
  const commands = new Commands({ store, lease, mostOpen: 10, log: recordedLog().log })
  return await commands.cancel('some-agent', 'a', { by: 'ada' })
}

test.each<'done' | Error>(['done', lost, full])(
  'where it cannot be looked at what became of a cancellation, it is not said that nothing was changed: %s',
  async (write) => {
    await expect(cancelled(write)).rejects.toMatchObject({ mayHaveHappened: true })
  },
)

test('where a full etcd did not cancel, nothing was changed', async () => {
  await expect(cancelled(full, 'there')).rejects.toMatchObject({ name: 'StoreFull', mayHaveHappened: false })
})
