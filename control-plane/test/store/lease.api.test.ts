import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { LeaseLost } from '../../src/store/errors.ts'
import { keys } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { openStore } from '../support/store.ts'

let etcd: Etcd
let store: Store
beforeAll(async () => {
  etcd = await Etcd.start()
})
beforeEach(() => {
  store = openStore(etcd)
})
afterEach(() => {
  store.close()
})
afterAll(async () => {
  await etcd.close()
})

const pod = keys.pod('some-pod')

async function enter(lease: bigint): Promise<void> {
  await store.transact({ when: [], then: [{ put: pod, value: 'x', lease }] })
}

const isThere = async (): Promise<boolean> => (await store.get(pod)).found !== undefined

test('a lease lives on while it is renewed, and its keys with it', async () => {
  const lease = await store.lease(6)
  await enter(lease.id)
  // Far longer than it lives without renewals.
  await pause(13_000)
  expect(lease.lost.aborted).toBe(false)
  expect(lease.remainingMs).toBeGreaterThan(0)
  expect(lease.remainingMs).toBeLessThanOrEqual(6000)
  expect(await isThere()).toBe(true)
  await lease.revoke()
}, 30_000)

test('a lease that is revoked is lost at once, and its keys are gone', async () => {
  const lease = await store.lease(60)
  await enter(lease.id)
  await lease.revoke()
  expect(lease.lost.aborted).toBe(true)
  expect(lease.lost.reason).toBeInstanceOf(LeaseLost)
  expect(lease.remainingMs).toBe(0)
  expect(await isThere()).toBe(false)
  // Nothing is left to give up.
  await lease.revoke()
})

test('a lease that somebody else revoked is lost with its next renewal', async () => {
  const lease = await store.lease(3)
  const lost = once(lease.lost, 'abort')
  await etcd.etcdctl('lease', 'revoke', lease.id.toString(16))
  await lost
  expect(lease.remainingMs).toBe(0)
})

test('a lease is lost by the local clock while etcd is frozen, before its keys can be gone', async () => {
  const lease = await store.lease(2)
  await enter(lease.id)
  const lost = once(lease.lost, 'abort').then(() => 'lost')
  etcd.member.freeze()
  try {
    // Timers of one process come in the order in which they are due, also after it stood still.
    expect(await Promise.race([lost, pause(2500, 'too late', { ref: false })])).toBe('lost')
    expect(lease.remainingMs).toBe(0)
  } finally {
    etcd.member.thaw()
  }
  await waitFor('the end of the key', async () => !(await isThere()), { seconds: 15 })
})

test('a lease outlives an etcd that is killed and comes back in time', async () => {
  const lease = await store.lease(20)
  await enter(lease.id)
  await etcd.member.kill()
  etcd.member.start()
  await etcd.ready()
  const before = lease.remainingMs
  await waitFor('a renewal', () => lease.remainingMs > before, { seconds: 15, everyMilliseconds: 20 })
  expect(lease.lost.aborted).toBe(false)
  expect(await isThere()).toBe(true)
  await lease.revoke()
})

test('a lease ends with its store: it runs out by itself', async () => {
  const closing = openStore(etcd)
  const lease = await closing.lease(1)
  await enter(lease.id)
  const lost = once(lease.lost, 'abort')
  closing.close()
  await lost
  await waitFor('the end of the key', async () => !(await isThere()), { seconds: 15 })
})
