import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Compacted } from '../../src/store/errors.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { WatchBatch } from '../../src/store/key-value.ts'
import type { Store } from '../../src/store/store.ts'
import type { Proxy } from '../../../agent/test/faults/proxy.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { Etcd, proxyTo } from '../support/etcd.ts'
import { openStore, text } from '../support/store.ts'

let etcd: Etcd
let proxy: Proxy
let store: Store
let ended: AbortController
let nextAgent = 0
let agent: string
let lines: unknown[]
beforeAll(async () => {
  etcd = await Etcd.start()
  proxy = await proxyTo(etcd)
})
beforeEach(() => {
  lines = []
  store = openStore(etcd, { lines })
  ended = new AbortController()
  agent = `watched-${nextAgent++}`
})
afterEach(() => {
  ended.abort()
  store.close()
})
afterAll(async () => {
  await proxy.close()
  await etcd.close()
})

const keyOf = (name: string): string => keys.openCommand(agent, name)

async function put(name: string, value = name, by = store): Promise<bigint> {
  return (await by.transact({ when: [], then: [{ put: keyOf(name), value }] })).revision
}

/** Names of the keys of the next events, in order, until there are `count`. */
async function next(watched: AsyncGenerator<WatchBatch, void>, count: number): Promise<readonly string[]> {
  const names: string[] = []
  while (names.length < count) {
    const { done, value } = await watched.next()
    if (done === true) throw new Error(`the watch ended after ${names.length} of ${count}`)
    for (const event of value.events) {
      names.push(event.kind === 'put' ? (text(event.item) ?? '') : `-${event.key.split('/').at(-1) ?? ''}`)
    }
  }
  return names
}

describe('a watch', () => {
  test('tells what happens after a revision, below its prefix alone, in order', async () => {
    const after = await put('before')
    await put('a')
    await put('b')
    await store.transact({ when: [], then: [{ delete: keyOf('a') }] })
    await store.transact({ when: [], then: [{ put: keys.openCommand(`${agent}-other`, 'x'), value: 'other' }] })
    const revision = await put('c')
    const watched = store.watch(prefixes.openCommands(agent), { after, signal: ended.signal })
    expect(await next(watched, 4)).toEqual(['a', 'b', '-a', 'c'])
    const later = watched.next()
    const together = ['d', 'e'].map((name) => ({ put: keyOf(name), value: name }))
    const { revision: both } = await store.transact({ when: [], then: together })
    expect(await later).toMatchObject({ value: { revision: both, events: [{ kind: 'put' }, { kind: 'put' }] } })
    expect(both).toBeGreaterThan(revision)
  })

  test('ends when its signal is aborted, also while nothing happens', async () => {
    const watched = store.watch(prefixes.openCommands(agent), { after: await put('a'), signal: ended.signal })
    const waiting = watched.next()
    setTimeout(() => ended.abort(), 50)
    expect(await waiting).toMatchObject({ done: true })
  })

  test('loses and repeats nothing when etcd is killed and comes back', async () => {
    const watched = store.watch(prefixes.openCommands(agent), { after: await put('a'), signal: ended.signal })
    await put('b')
    expect(await next(watched, 1)).toEqual(['b'])
    const onward = next(watched, 3)
    await put('c')
    await etcd.member.kill()
    etcd.member.start()
    await etcd.ready()
    await put('d')
    await put('e')
    expect(await onward).toEqual(['c', 'd', 'e'])
    expect(lines).toContainEqual(expect.objectContaining({ event: 'etcd-watch-restarts' }))
  })

  test('keeps the events of one revision together, however large they are', async () => {
    const after = await put('a')
    // More than etcd sends in one message.
    for (let index = 0; index < 4; index++) {
      const value = 'x'.repeat(300 * 1024)
      const then = ['p', 'q', 'r', 's'].map((name) => ({ put: keyOf(name), value: `${index}${name}${value}` }))
      await store.transact({ when: [], then })
    }
    const watched = store.watch(prefixes.openCommands(agent), { after, signal: ended.signal })
    const seen: (readonly string[])[] = []
    while (seen.flat().length < 16) {
      const { done, value } = await watched.next()
      if (done === true) throw new Error('the watch ended')
      const revisions = new Map<bigint, string[]>()
      for (const event of value.events) {
        if (event.kind !== 'put') continue
        const at = revisions.get(event.item.modRevision) ?? []
        revisions.set(event.item.modRevision, [...at, text(event.item)?.slice(0, 2) ?? ''])
      }
      seen.push(...revisions.values())
    }
    expect(seen).toEqual([0, 1, 2, 3].map((index) => ['p', 'q', 'r', 's'].map((name) => `${index}${name}`)))
  })

  test('of a revision that etcd keeps no more is Compacted', async () => {
    const after = await put('a')
    await put('b')
    await etcd.etcdctl('compact', String(await put('c')))
    const watched = store.watch(prefixes.openCommands(agent), { after, signal: ended.signal })
    await expect(watched.next()).rejects.toThrow(Compacted)
  })

  test('of a revision that etcd has not reached is Compacted: it was restored from a backup', async () => {
    const after = (await put('a')) + 1000n
    const watched = store.watch(prefixes.openCommands(agent), { after, signal: ended.signal })
    await expect(watched.next()).rejects.toThrow(/restored from a backup/)
  })

  test('notices that its connection died silently, and goes on over a new one', async () => {
    const proxied = openStore({ endpoints: [`http://${proxy.host}:${proxy.port}`] }, { lines })
    try {
      const watched = proxied.watch(prefixes.openCommands(agent), { after: await put('a'), signal: ended.signal })
      await put('b')
      expect(await next(watched, 1)).toEqual(['b'])
      const onward = next(watched, 2)
      proxy.strand()
      await put('c')
      await put('d')
      expect(await onward).toEqual(['c', 'd'])
      // Nothing was opened again over the connection that had died.
      const restarts = lines.filter((line) => JSON.stringify(line).includes('"etcd-watch-restarts"'))
      expect(restarts).toHaveLength(1)
    } finally {
      proxied.close()
    }
  }, 40_000)
})

describe('what is followed', () => {
  test('is everything, then each change', async () => {
    await put('a')
    const followed = store.follow(prefixes.openCommands(agent), { signal: ended.signal })
    const { value: first } = await followed.next()
    expect(first).toMatchObject({ kind: 'snapshot', items: [{ key: keyOf('a') }] })
    const change = followed.next()
    const revision = await put('b')
    expect(await change).toMatchObject({
      value: { kind: 'changes', revision, events: [{ item: { key: keyOf('b') } }] },
    })
    ended.abort()
    expect(await followed.next()).toMatchObject({ done: true })
  })

  test('is listed again when etcd has compacted what was missed', async () => {
    await put('gone')
    const proxied = openStore({ endpoints: [`http://${proxy.host}:${proxy.port}`] }, { lines })
    try {
      const followed = proxied.follow(prefixes.openCommands(agent), { signal: ended.signal })
      expect(await followed.next()).toMatchObject({ value: { kind: 'snapshot', items: [{ key: keyOf('gone') }] } })
      const update = followed.next()
      await proxy.set('refuse')
      await store.transact({ when: [], then: [{ delete: keyOf('gone') }] })
      await put('a')
      const revision = await put('b')
      await etcd.etcdctl('compact', String(revision))
      await proxy.set('pass')
      expect(await update).toMatchObject({
        value: { kind: 'snapshot', revision, items: [{ key: keyOf('a') }, { key: keyOf('b') }] },
      })
      const change = followed.next()
      await put('c')
      expect(await change).toMatchObject({ value: { kind: 'changes', events: [{ item: { key: keyOf('c') } }] } })
    } finally {
      proxied.close()
    }
  })

  test('begins once etcd is there', async () => {
    await proxy.set('refuse')
    const proxied = openStore({ endpoints: [`http://${proxy.host}:${proxy.port}`] }, { lines })
    try {
      const first = proxied.follow(prefixes.openCommands(agent), { signal: ended.signal }).next()
      await waitFor('a failure', () => lines.some((line) => JSON.stringify(line).includes('etcd-list-again')))
      await proxy.set('pass')
      expect(await first).toMatchObject({ value: { kind: 'snapshot', items: [] } })
    } finally {
      proxied.close()
    }
  })
})
