import { expect, test } from '@jest/globals'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { LeaseLost, StoreUnavailable } from '../../src/store/errors.ts'

function leases(): { readonly lease: HourlyLease; readonly granted: number[]; pass: (ms: number) => void } {
  const granted: number[] = []
  let nowMs = 0
  const expiry = (ttlSeconds: number): Promise<bigint> => Promise.resolve(BigInt(granted.push(ttlSeconds)))
  return { lease: new HourlyLease({ expiry }, () => nowMs), granted, pass: (ms) => (nowMs += ms) }
}

const id = (lease: HourlyLease): Promise<bigint> => lease.use((given) => Promise.resolve(given))

test('an hour shares one lease, which outlives the last of it by a day', async () => {
  const { lease, granted, pass } = leases()
  expect(await Promise.all([id(lease), id(lease)])).toEqual([1n, 1n])
  pass(3_599_999)
  expect(await id(lease)).toBe(1n)
  pass(1)
  expect(await id(lease)).toBe(2n)
  expect(granted).toEqual([25 * 3600, 25 * 3600])
})

test('a lease that etcd has lost is replaced, and what was written with it written again, once', async () => {
  const { lease } = leases()
  await id(lease)
  const tried: bigint[] = []
  const written = lease.use((given) => {
    tried.push(given)
    return given === 1n ? Promise.reject(new LeaseLost('gone')) : Promise.resolve('written')
  })
  expect(await written).toBe('written')
  expect(tried).toEqual([1n, 2n])
  await expect(lease.use(() => Promise.reject(new LeaseLost('again')))).rejects.toThrow(LeaseLost)
})

test('a lease that could not be had is asked for again by the next who needs it', async () => {
  let asked = 0
  const away = new StoreUnavailable('away', { mayHaveHappened: true })
  const expiry = (): Promise<bigint> => (asked++ === 0 ? Promise.reject(away) : Promise.resolve(5n))
  const lease = new HourlyLease({ expiry })
  await expect(id(lease)).rejects.toBe(away)
  expect(await id(lease)).toBe(5n)
})
