import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { writeCertificates } from '../../../test/cluster/certificates.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { StoreFull, StoreUnavailable } from '../../src/store/errors.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { fill, openStore, text } from '../support/store.ts'

let closers: (() => Promise<void> | void)[]
beforeEach(() => {
  closers = []
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
})

async function etcdOf(options: Parameters<typeof Etcd.start>[0]): Promise<Etcd> {
  const etcd = await Etcd.start(options)
  closers.push(() => etcd.close())
  return etcd
}

function storeOf(...parameters: Parameters<typeof openStore>): Store {
  const store = openStore(...parameters)
  closers.push(() => store.close())
  return store
}

const key = keys.agent('a')
const put = (store: Store, value: string) => store.transact({ when: [], then: [{ put: key, value }] })

test('a full etcd refuses writes as StoreFull, while reads go on and deletions make room', async () => {
  const etcd = await etcdOf({ quotaBytes: 2 * 1024 * 1024 })
  const store = storeOf(etcd)
  await put(store, 'before')
  await fill(etcd, store)
  await expect(put(store, 'small')).rejects.toThrow(StoreFull)
  expect(text((await store.get(key)).found)).toBe('before')
  expect((await store.count(prefixes.agents)).count).toBeGreaterThan(1)
  const removed = await store.transact({ when: [], then: [{ delete: key }] })
  expect(removed).toMatchObject({ results: [{ kind: 'delete', deleted: 1 }] })
})

test('two of three members go on: reads, writes, watches and leases find one that serves', async () => {
  const etcd = await etcdOf({ members: 3 })
  const store = storeOf(etcd)
  const lease = await store.lease(30)
  const ended = new AbortController()
  closers.push(() => ended.abort())
  const watched = store.watch(prefixes.agents, { after: (await put(store, 'before')).revision, signal: ended.signal })
  let seen = watched.next()
  let value = 0
  for (const member of etcd.members) {
    await member.kill()
    const written = `after ${value++}`
    // What is not answered in time while a new leader is elected is written again.
    await waitFor('a write', async () => (await put(store, written)).succeeded, { seconds: 30 })
    expect(text((await store.get(key)).found)).toBe(written)
    for (let found: string | undefined; found !== written; seen = watched.next()) {
      const { value: batch } = await seen
      const event = batch?.events.at(-1)
      found = event?.kind === 'put' ? text(event.item) : undefined
    }
    const before = lease.remainingMs
    await waitFor('a renewal', () => lease.remainingMs > before, { seconds: 60, everyMilliseconds: 20 })
    member.start()
    await etcd.ready()
  }
  expect(lease.lost.aborted).toBe(false)
}, 180_000)

test('a read of a member that hangs is answered by another one, within its time', async () => {
  const etcd = await etcdOf({ members: 3 })
  const store = storeOf(etcd)
  await put(store, 'x')
  for (const member of etcd.members) {
    member.freeze()
    try {
      // Two of three may have to elect a leader first.
      const read = await waitFor('a read', async () => await store.get(key), { seconds: 30 })
      expect(text(read.found)).toBe('x')
    } finally {
      member.thaw()
    }
    await etcd.ready()
  }
}, 120_000)

test('one of three members has no quorum: nothing is read that may be old', async () => {
  const etcd = await etcdOf({ members: 3 })
  const store = storeOf(etcd)
  await put(store, 'x')
  for (const member of etcd.members.slice(1)) await member.kill()
  await expect(store.get(key, { timeoutMs: 2000 })).rejects.toThrow(StoreUnavailable)
  await expect(put(store, 'y')).rejects.toThrow(StoreUnavailable)
})

test('certificates are read again when they change', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'regent-tls-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const request = [{ file: 'etcd', commonName: 'regent-control-plane', addresses: ['127.0.0.1'], names: ['localhost'] }]
  const authorities = await Promise.all(
    ['old', 'new'].map(async (name) => {
      await mkdir(join(folder, name))
      const path = await writeCertificates(join(folder, name), request)
      return { caFile: path('ca.crt'), certificateFile: path('etcd.crt'), keyFile: path('etcd.key') }
    }),
  )
  const [old, renewed] = authorities
  if (old === undefined || renewed === undefined) throw new Error('two authorities expected')
  const mounted = {
    caFile: join(folder, 'ca.crt'),
    certificateFile: join(folder, 'tls.crt'),
    keyFile: join(folder, 'tls.key'),
  }
  const mount = async (files: typeof old): Promise<void> => {
    await copyFile(files.caFile, mounted.caFile)
    await copyFile(files.certificateFile, mounted.certificateFile)
    await copyFile(files.keyFile, mounted.keyFile)
  }
  await mount(old)
  const etcd = await etcdOf({ tls: renewed })
  const store = storeOf(etcd, { tls: mounted })
  await expect(store.get(key, { timeoutMs: 1500 })).rejects.toThrow(StoreUnavailable)
  await mount(renewed)
  const { revision } = await waitFor('the new certificates', () => store.get(key), { seconds: 40 })
  expect(revision).toBeGreaterThan(0n)
})
