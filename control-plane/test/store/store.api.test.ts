import { setTimeout as pause } from 'node:timers/promises'
import { openLog } from '@regent/runtime/logging/log.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Proxy } from '../../../agent/test/faults/proxy.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { Compacted, LeaseLost, StoreRefused, StoreUnavailable, TooLarge } from '../../src/store/errors.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { KeyValue, Page, Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { largestValueBytes, type ListOptions, mostOperations, Store } from '../../src/store/store.ts'
import { Etcd, proxyTo } from '../support/etcd.ts'
import { openStore, text } from '../support/store.ts'

let etcd: Etcd
let store: Store
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
}, 60_000)
afterAll(async () => {
  store.close()
  await etcd.close()
})

async function put(key: string, value = 'x'): Promise<bigint> {
  return (await store.transact({ when: [], then: [{ put: key, value }] })).revision
}

/** Every page of a list, each at most `limit` long. */
async function pages(prefix: string, options: ListOptions): Promise<readonly Page[]> {
  const all: Page[] = []
  for (;;) {
    const last = all.at(-1)
    const page = await store.list(prefix, { ...options, after: last?.items.at(-1), revision: last?.revision })
    all.push(page)
    if (!page.more) return all
  }
}

const absent = keys.agent('absent')
const namesOf = (items: readonly KeyValue[]): readonly string[] => items.map(({ key }) => key.split('/').at(-1) ?? '')

describe('a key', () => {
  test('is read as it was written, with its revisions, now and at an older revision', async () => {
    const key = keys.agent('read')
    expect(await store.get(key)).toMatchObject({ found: undefined })
    const first = await put(key, 'one')
    const second = await put(key, 'zwei €')
    const { found, revision } = await store.get(key)
    expect(found).toMatchObject({ key, createRevision: first, modRevision: second, lease: 0n })
    expect(text(found)).toBe('zwei €')
    expect(revision).toBeGreaterThanOrEqual(second)
    expect(text((await store.get(key, { revision: first })).found)).toBe('one')
  })

  test('with a lease that runs out by itself has its id', async () => {
    const lease = await store.expiry(60)
    await store.transact({ when: [], then: [{ put: keys.agent('leased'), value: 'x', lease }] })
    expect((await store.get(keys.agent('leased'))).found?.lease).toBe(lease)
    expect(lease).toBeGreaterThan(2n ** 53n)
  })

  test('cannot be written with a lease that is not there', async () => {
    const write = store.transact({ when: [], then: [{ put: keys.agent('orphan'), value: 'x', lease: 4711n }] })
    await expect(write).rejects.toThrow(LeaseLost)
  })
})

describe('a transaction', () => {
  const here = keys.agent('compared')
  let made = 0n
  let changed = 0n
  beforeAll(async () => {
    made = await put(here, '1')
    changed = await put(here, '2')
  })

  test.each([
    ['the revision of its last write', () => ({ key: here, modRevision: changed }), true],
    ['another revision of a write', () => ({ key: here, modRevision: made }), false],
    ['the revision that made it', () => ({ key: here, createRevision: made }), true],
    ['another revision that made it', () => ({ key: here, createRevision: changed }), false],
    ['its existence', () => ({ key: here, exists: true }), true],
    ['its absence', () => ({ key: here, exists: false }), false],
    ['the existence of an absent key', () => ({ key: absent, exists: true }), false],
    ['the absence of an absent key', () => ({ key: absent, exists: false }), true],
    ['no revision of an absent key', () => ({ key: absent, modRevision: 0n }), true],
    ['no revision of a key', () => ({ key: here, modRevision: 0n }), false],
  ])('compares a key by %s', async (_, compare, succeeds) => {
    const { succeeded, results } = await store.transact({
      when: [compare()],
      then: [{ get: here }],
      otherwise: [],
    })
    expect(succeeded).toBe(succeeds)
    expect(results).toHaveLength(succeeds ? 1 : 0)
  })

  test('does nothing of `then` and all of `otherwise` when one of its comparisons fails', async () => {
    const result = await store.transact({
      when: [
        { key: here, exists: true },
        { key: absent, exists: true },
      ],
      then: [{ put: keys.agent('then'), value: 'x' }],
      otherwise: [{ put: keys.pod('otherwise'), value: 'x' }, { get: here }],
    })
    expect(result).toMatchObject({ succeeded: false, results: [{ kind: 'put' }, { kind: 'get', more: false }] })
    expect((await store.get(keys.agent('then'))).found).toBeUndefined()
    expect((await store.get(keys.pod('otherwise'))).found?.modRevision).toBe(result.revision)
  })

  test('writes, reads what it wrote and deletes at one revision, and says what each step did', async () => {
    await put(keys.openCommand('steps', 'a'))
    await put(keys.openCommand('steps', 'b'))
    const { revision, results } = await store.transact({
      when: [],
      then: [
        { put: keys.agent('steps'), value: 'new' },
        { get: keys.agent('steps') },
        { get: prefixes.openCommands('steps'), prefix: true, limit: 1 },
        { delete: prefixes.openCommands('steps'), prefix: true },
        { delete: absent },
      ],
    })
    expect(results).toMatchObject([
      { kind: 'put' },
      { kind: 'get', items: [{ key: keys.agent('steps'), modRevision: revision }], more: false },
      { kind: 'get', items: [{ key: keys.openCommand('steps', 'a') }], more: true },
      { kind: 'delete', deleted: 2 },
      { kind: 'delete', deleted: 0 },
    ])
  })

  test('counts keys, and puts a key under a lease without its value where it is there', async () => {
    const key = keys.openCommand('attached', 'a')
    await put(key, 'value')
    const lease = await store.expiry(60)
    const { results, revision } = await store.transact({
      when: [],
      then: [
        { attach: key, lease },
        { count: prefixes.openCommands('attached') },
        { count: prefixes.openCommands('none') },
      ],
    })
    expect(results).toMatchObject([{ kind: 'put' }, { kind: 'get', items: [], count: 1 }, { kind: 'get', count: 0 }])
    const { found } = await store.get(key)
    expect(found).toMatchObject({ lease, modRevision: revision })
    expect(text(found)).toBe('value')
    const attachAbsent = (value: string) =>
      store.transact({
        when: [],
        then: [
          { attach: absent, lease },
          { put: key, value },
        ],
      })
    expect(await attachAbsent('alone')).toMatchObject({ succeeded: true, results: [{ kind: 'put' }, { kind: 'put' }] })
    expect(text((await store.get(key)).found)).toBe('alone')
    // Those of one moment are steps of one transaction.
    await Promise.all([attachAbsent('first'), attachAbsent('second'), put(keys.agent('attached'), 'beside')])
    expect(text((await store.get(key)).found)).toBe('second')
    expect((await store.get(absent)).found).toBeUndefined()
  })

  test('that is too large is refused before anything of it is written', async () => {
    const value = Buffer.alloc(largestValueBytes)
    const fits = { put: keys.agent('large'), value: value.subarray(0, 800 * 1024) }
    await expect(
      store.transact({
        when: [],
        then: [
          { put: keys.agent('large'), value: 'x' },
          { put: keys.agent('larger'), value: Buffer.alloc(largestValueBytes + 1) },
        ],
      }),
    ).rejects.toThrow(TooLarge)
    await expect(store.transact({ when: [], then: [fits, { ...fits, put: keys.agent('large2') }] })).rejects.toThrow(
      TooLarge,
    )
    const steps = Array.from({ length: mostOperations + 1 }, () => ({ get: here }))
    await expect(store.transact({ when: [], then: steps })).rejects.toThrow(TooLarge)
    expect((await store.get(keys.agent('large'))).found).toBeUndefined()
    await store.transact({ when: [], then: [{ put: keys.agent('large'), value }] })
    expect((await store.get(keys.agent('large'))).found?.value.byteLength).toBe(largestValueBytes)
  })

  test('that etcd will never take is refused as such', async () => {
    const twice = { put: here, value: 'x' }
    await expect(store.transact({ when: [], then: [twice, twice] })).rejects.toThrow(StoreRefused)
  })
})

describe('transactions at the same moment', () => {
  /** Two to be told apart, behind one that is under way and keeps them waiting together. */
  async function behindAnother(
    ...asked: readonly Transaction[]
  ): Promise<readonly PromiseSettledResult<TransactionResult>[]> {
    const other = put(keys.agent('other'))
    const settled = Promise.allSettled(asked.map((transaction) => store.transact(transaction)))
    await other
    return await settled
  }
  const valuesOf = (settled: readonly PromiseSettledResult<TransactionResult>[]): readonly TransactionResult[] =>
    settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const absentOnly = (key: string, lease?: bigint) => ({
    when: [{ key, exists: false }],
    then: [{ put: key, value: 'mine', ...(lease === undefined ? {} : { lease }) }],
    otherwise: [{ get: key }],
  })

  test('have one revision, and each its own comparisons and results', async () => {
    const [there, free, read] = [keys.agent('joined-there'), keys.agent('joined-free'), keys.agent('joined-read')]
    const third = { put: keys.agent('joined-third'), value: 'ours' }
    const before = await put(there, 'theirs')
    await put(read, 'read')
    const all = valuesOf(
      await behindAnother(absentOnly(there), absentOnly(free), {
        when: [{ key: read, exists: true }],
        then: [{ get: read }, { delete: keys.agent('none') }, third],
      }),
    )
    expect(all.map(({ succeeded }) => succeeded)).toEqual([false, true, true])
    const [refused, written, compared] = all
    expect(refused?.results).toMatchObject([{ kind: 'get', items: [{ key: there, modRevision: before }] }])
    expect(written?.results).toEqual([{ kind: 'put' }])
    const kinds = [{ items: [{ key: read }] }, { kind: 'delete', deleted: 0 }, { kind: 'put' }]
    expect(compared?.results).toMatchObject(kinds)
    expect(new Set(all.map(({ revision }) => revision)).size).toBe(1)
    expect((await store.get(free)).found?.modRevision).toBe(written?.revision)
  })

  test('of the same key are told apart: one writes it, and the other sees that', async () => {
    const key = keys.agent('joined-contended')
    const both = valuesOf(await behindAnother(absentOnly(key), absentOnly(key)))
    expect(both.map(({ succeeded }) => succeeded)).toEqual([true, false])
    expect(both[1]?.results).toMatchObject([{ items: [{ key, modRevision: both[0]?.revision }] }])
  })

  test('fail alone where etcd refuses one of them', async () => {
    const leased = keys.agent('joined-leased')
    const [lost, written] = await behindAnother(absentOnly(leased, 12_345n), absentOnly(keys.agent('joined-beside')))
    expect(lost).toMatchObject({ status: 'rejected', reason: expect.any(LeaseLost) as unknown })
    expect(written).toMatchObject({ status: 'fulfilled', value: { succeeded: true } })
    expect((await store.get(leased)).found).toBeUndefined()
  })

  test('of many who write at once are all written, in few requests', async () => {
    const requests: string[] = []
    const many = new Store({
      endpoints: etcd.endpoints,
      log: openLog({ level: 'error', always: {} }),
      observe: (request) => requests.push(request),
    })
    try {
      const all = Array.from({ length: 500 }, (_, index) => keys.agent(`many-${index}`))
      const written = await Promise.all(all.map((key) => many.transact(absentOnly(key))))
      expect(written.every(({ succeeded }) => succeeded)).toBe(true)
      expect(requests.length).toBeLessThan(10)
      const read = await Promise.all(all.map((key) => many.get(key)))
      expect(read.map(({ found }) => found?.key)).toEqual(all)
    } finally {
      many.close()
    }
  })
})

describe('a list', () => {
  const prefix = prefixes.openCommands('listed')
  const created = ['m', 'c', 'x', 'a', 'q']
  beforeAll(async () => {
    for (const name of created) await put(keys.openCommand('listed', name))
    // Several keys of one revision, more of them than fit on a page.
    const together = ['z', 'b', 'y', 'd', 'e'].map((name) => ({ put: keys.openCommand('listed', name), value: 'x' }))
    await store.transact({ when: [], then: together })
    await put(keys.openCommand('listed', 'm'), 'changed')
    await put(keys.openCommand('listed-other', 'a'))
  })

  test.each([1, 2, 3, 10, 11])('comes by key in pages of %i, none lost and none repeated', async (limit) => {
    const all = await pages(prefix, { limit })
    expect(all.flatMap(({ items }) => namesOf(items))).toEqual(['a', 'b', 'c', 'd', 'e', 'm', 'q', 'x', 'y', 'z'])
    expect(all.every(({ items }) => items.length <= limit)).toBe(true)
    expect(all.slice(0, -1).every(({ items }) => items.length === limit)).toBe(true)
  })

  test.each([1, 2, 3, 10, 11])('comes from the oldest to the newest in pages of %i', async (limit) => {
    const all = await pages(prefix, { limit, order: 'created' })
    expect(all.flatMap(({ items }) => namesOf(items))).toEqual([...created, 'b', 'd', 'e', 'y', 'z'])
    expect(all.slice(0, -1).every(({ items }) => items.length === limit)).toBe(true)
  })

  test.each(['key', 'created'] as const)('by %s shows one revision on all of its pages', async (order) => {
    const agent = `stable-${order}`
    for (const name of ['a', 'b', 'c']) await put(keys.openCommand(agent, name), 'old')
    const below = prefixes.openCommands(agent)
    const first = await store.list(below, { limit: 1, order })
    await put(keys.openCommand(agent, 'b'), 'new')
    await store.transact({ when: [], then: [{ delete: keys.openCommand(agent, 'c') }] })
    const rest = await store.list(below, { order, after: first.items[0], revision: first.revision })
    expect(rest.items.map(text)).toEqual(['old', 'old'])
    expect(rest.revision).toBe(first.revision)
    const now = await store.list(below, { order, after: first.items[0] })
    expect(now.items.map(text)).toEqual(['new'])
  })

  test.each(['key', 'created'] as const)('by %s ends a page once its values are large', async (order) => {
    const agent = `heavy-${order}`
    for (let index = 0; index < 70; index++) await put(keys.openCommand(agent, `c${index}`), 'x'.repeat(100))
    const page = await store.list(prefixes.openCommands(agent), { limit: 70, mostBytes: 100, order })
    expect(page).toMatchObject({ more: true })
    expect(page.items.length).toBeLessThan(70)
    const all = await pages(prefixes.openCommands(agent), { limit: 70, mostBytes: 100, order })
    expect(new Set(all.flatMap(({ items }) => namesOf(items))).size).toBe(70)
  })

  test('of everything is one revision, over many pages', async () => {
    for (let index = 0; index < 7; index++) {
      const then = Array.from({ length: 100 }, (_, n) => ({
        put: keys.openCommand('many', `${index}-${n}`),
        value: 'x',
      }))
      await store.transact({ when: [], then })
    }
    const { items, revision } = await store.snapshot(prefixes.openCommands('many'))
    expect(new Set(items.map(({ key }) => key)).size).toBe(700)
    expect(items.every((item) => item.modRevision <= revision)).toBe(true)
    expect(await store.count(prefixes.openCommands('many'))).toMatchObject({ count: 700 })
  })

  test('at a revision that etcd keeps no more is Compacted', async () => {
    const old = await put(keys.openCommand('compacted', 'a'))
    const newer = await put(keys.openCommand('compacted', 'a'))
    await etcd.etcdctl('compact', String(newer))
    await expect(store.list(prefixes.openCommands('compacted'), { revision: old })).rejects.toThrow(Compacted)
    await expect(store.get(keys.openCommand('compacted', 'a'), { revision: old })).rejects.toThrow(Compacted)
  })

  test.each(['key', 'created'] as const)('by %s has no values where only keys are asked for', async (order) => {
    const page = await store.list(prefix, { keysOnly: true, order, limit: 4 })
    const full = await store.list(prefix, { order, limit: 4 })
    expect(page.items).toEqual(full.items.map((item) => ({ ...item, value: Buffer.alloc(0) })))
    expect(page.more).toBe(true)
    const rest = await store.list(prefix, { keysOnly: true, order, after: page.items.at(-1) })
    expect([rest.items.length, rest.more]).toEqual([6, false])
  })

  test('of a prefix that could be the beginning of another name is refused', async () => {
    await expect(store.list('/regent/v1/agents')).rejects.toThrow(TypeError)
  })
})

describe('a call', () => {
  let proxy: Proxy
  let proxied: Store
  beforeEach(async () => {
    proxy = await proxyTo(etcd)
    proxied = openStore({ endpoints: [`http://${proxy.host}:${proxy.port}`] })
    await proxied.get(keys.agent('a'))
  })
  afterEach(async () => {
    proxied.close()
    await proxy.close()
  })

  test('that is aborted ends with the reason, before and while it is under way', async () => {
    const reason = new Error('enough')
    await expect(store.get(keys.agent('a'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await proxy.set('freeze')
    const abort = new AbortController()
    const asked = proxied.get(keys.agent('a'), { signal: abort.signal })
    setTimeout(() => abort.abort(reason), 50)
    await expect(asked).rejects.toBe(reason)
  })

  test('to an etcd that hangs ends in time, and tells whether it may have happened', async () => {
    await proxy.set('freeze')
    const key = keys.agent('frozen')
    const ended = Promise.allSettled([
      proxied.get(key, { timeoutMs: 500 }),
      proxied.transact({ when: [], then: [{ get: key }] }, { timeoutMs: 500 }),
      proxied.transact({ when: [], then: [{ put: key, value: 'late' }] }, { timeoutMs: 500 }),
    ])
    const ends = await inTime(ended)
    expect(ends.map((end) => end.status === 'rejected' && mayHaveHappened(end.reason))).toEqual([false, false, true])
  })

  test('whose answer is lost may have happened, and did', async () => {
    const key = keys.agent('answer-lost')
    await proxy.set('half-open')
    // An etcd that stands still for so long would see the end of the call together with it, and leave it undone.
    const write = proxied.transact({ when: [], then: [{ put: key, value: 'written' }] }, { timeoutMs: 3000 })
    expect(mayHaveHappened(await write.catch((thrown: unknown) => thrown))).toBe(true)
    await waitFor('the write', async () => text((await store.get(key)).found) === 'written', { seconds: 10 })
  })

  test('to where nobody listens ends in time, and has not happened', async () => {
    const nobody = openStore({ endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] })
    const write = nobody.transact({ when: [], then: [{ put: keys.agent('a'), value: 'x' }] }, { timeoutMs: 500 })
    const error = await inTime(write.catch((thrown: unknown) => thrown))
    expect(mayHaveHappened(error)).toBe(false)
    expect(String(error)).toMatch('127.0.0.1:1, 127.0.0.1:2')
    nobody.close()
  })

  test('is told to the observer when it has ended, well or not', async () => {
    const told: unknown[] = []
    const { host, port } = proxy
    const observed = new Store({
      endpoints: [`http://${host}:${port}`],
      log: openLog({ level: 'error', always: {} }),
      observe: (request, outcome, seconds) => told.push([request, outcome, seconds >= 0]),
    })
    await observed.get(keys.agent('a'))
    await expect(observed.transact({ when: [], then: [{ put: absent, value: '', lease: 1n }] })).rejects.toThrow()
    await proxy.set('freeze')
    await expect(observed.get(keys.agent('a'), { timeoutMs: 100 })).rejects.toThrow(StoreUnavailable)
    const aborted = observed.get(keys.agent('a'), { signal: AbortSignal.abort(new Error('enough')) })
    await expect(aborted).rejects.toThrow('enough')
    observed.close()
    expect(told).toMatchObject([
      ['Txn', 'ok', true],
      ['Txn', expect.stringMatching(/^(LeaseLost|StoreRefused)$/), true],
      ['Range', 'StoreUnavailable', true],
      ['Range', 'Aborted', true],
    ])
  })

  test('of a store that was closed is refused', async () => {
    const closed = openStore(etcd)
    await closed.get(keys.agent('a'))
    closed.close()
    await expect(closed.get(keys.agent('a'))).rejects.toThrow(StoreUnavailable)
  })
})

/**
 * What comes of calls that were made right before with half a second of time. Their timers and this one come in the
 * order in which they are due, also after the process stood still.
 *
 * @throws where it takes far longer
 */
async function inTime<T>(calls: Promise<T>): Promise<T> {
  const tooLate = pause(3000, undefined, { ref: false }).then(() => Promise.reject(new Error('not in time')))
  return await Promise.race([calls, tooLate])
}

/** @throws where it is no StoreUnavailable */
function mayHaveHappened(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return error.mayHaveHappened
  throw new Error('expected a StoreUnavailable', { cause: error })
}
