import { describe, expect, test } from '@jest/globals'
import { LeaseLost, StoreFull, StoreUnavailable } from '../../src/store/errors.ts'
import { JoinedTransactions } from '../../src/store/joined-transactions.ts'
import type { Operation, Transaction, TransactionResult } from '../../src/store/key-value.ts'
import { mostOperations, sizeOf } from '../../src/store/transaction-size.ts'

interface Asked {
  readonly how: 'one' | 'several'
  readonly transactions: readonly Transaction[]
  readonly answer: () => void
  readonly fail: (error: Error) => void
}

/** Transactions whose answers a test gives: of every step the key that it names. */
function joined() {
  const asked: Asked[] = []
  const ask = (how: Asked['how'], transactions: readonly Transaction[]): Promise<readonly TransactionResult[]> =>
    new Promise((resolve, reject) => {
      const answer = (): void => resolve(transactions.map((each) => answered(each, asked.length)))
      asked.push({ how, transactions, answer, fail: reject })
    })
  const all = new JoinedTransactions({
    one: async (transaction) => (await ask('one', [transaction]))[0] ?? answered(transaction, 0),
    several: (transactions) => ask('several', transactions),
  })
  const transact = (transaction: Transaction) => all.transact(transaction, sizeOf(transaction))
  /** The next request that was not answered yet. */
  const next = async (index: number): Promise<Asked> => {
    for (let tries = 0; tries < 100 && asked.length <= index; tries += 1) await pause()
    const found = asked[index]
    if (found === undefined) throw new Error(`there is no request ${index}`)
    return found
  }
  return { asked, transact, next }
}

function answered({ then }: Transaction, revision: number): TransactionResult {
  const results = then.map((step) => ({ kind: 'get' as const, items: [item(keyOf(step))], more: false, count: 1 }))
  return { succeeded: true, revision: BigInt(revision), results }
}

const item = (key: string) => ({ key, value: Buffer.from(key), createRevision: 1n, modRevision: 1n, lease: 0n })
const keyOf = (step: Operation): string => ('get' in step ? step.get : 'put' in step ? step.put : '')
const get = (...keys: string[]): Transaction => ({ when: [], then: keys.map((key) => ({ get: key })) })
const put = (key: string, more: Partial<Transaction> = {}): Transaction => ({
  when: [{ key, exists: false }],
  then: [{ put: key, value: 'x' }],
  ...more,
})
const found = ({ results }: TransactionResult): readonly string[] =>
  results.flatMap((result) => (result.kind === 'get' ? result.items.map(({ key }) => key) : []))
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** How many are in the second request, when the first carries one of its own. */
async function together(...transactions: readonly Transaction[]): Promise<number> {
  const { transact, next } = joined()
  for (const transaction of [put('/before'), ...transactions]) transact(transaction).catch(() => undefined)
  const before = await next(0)
  before.answer()
  return (await next(1)).transactions.length
}

describe('joined transactions', () => {
  test('that read are one list of steps, of which each has its own', async () => {
    const { asked, transact, next } = joined()
    const answers = [get('/a'), get('/b', '/c'), get('/d')].map(transact)
    asked[0]?.answer()
    const second = await next(1)
    expect(second).toMatchObject({ how: 'one', transactions: [get('/b', '/c', '/d')] })
    second.answer()
    expect((await Promise.all(answers)).map(found)).toEqual([['/a'], ['/b', '/c'], ['/d']])
  })

  test('that write are several at once, of which each has its own answer', async () => {
    const { asked, transact, next } = joined()
    const answers = ['/a', '/b', '/c'].map((key) => transact(put(key)))
    expect(asked[0]).toMatchObject({ how: 'one' })
    asked[0]?.answer()
    const second = await next(1)
    expect(second).toMatchObject({ how: 'several', transactions: [put('/b'), put('/c')] })
    second.answer()
    expect((await Promise.all(answers)).map(found)).toEqual([['/a'], ['/b'], ['/c']])
  })

  test('do not wait for those of another kind', async () => {
    const { asked, transact } = joined()
    const condition = { when: [{ key: '/b', exists: true }], then: [{ get: '/b' }] }
    const all = [put('/a'), get('/a'), condition]
    for (const each of all) void transact(each)
    void transact({ ...condition, then: [{ delete: '/b' }] })
    await pause()
    expect(asked.map(({ transactions }) => transactions)).toEqual(all.map((each) => [each]))
  })

  test.each<[string, readonly Transaction[], number]>([
    ['write the same key', [put('/a'), put('/a', { when: [] })], 1],
    ['compare what another writes', [put('/a'), put('/b', { when: [{ key: '/a', modRevision: 3n }] })], 1],
    ['write what another compares', [put('/b', { when: [{ key: '/a', modRevision: 3n }] }), put('/a')], 1],
    ['read what another writes', [put('/a'), put('/b', { otherwise: [{ get: '/a' }] })], 1],
    [
      'delete what another reads',
      [put('/b', { otherwise: [{ get: '/a' }] }), put('/c', { then: [{ delete: '/a' }] })],
      1,
    ],
    ['attach what another writes', [put('/a'), put('/b', { then: [{ attach: '/a', lease: 7n }] })], 1],
    ['count a range', [put('/a'), put('/b', { otherwise: [{ count: '/b/' }] })], 1],
    ['come after one that deletes a range', [put('/a', { then: [{ delete: '/x/', prefix: true }] }), put('/b')], 1],
    ['come after one that compares a range', [put('/a', { when: [{ empty: '/x/' }] }), put('/b')], 1],
    [
      'compare what another compares',
      ['/a', '/b'].map((key) => put(key, { when: [{ key: '/fence', modRevision: 3n }] })),
      2,
    ],
  ])('that %s', async (_, transactions, expected) => {
    expect(await together(...transactions)).toBe(expected)
  })

  test('are as many as etcd takes steps, counted with the most that one of them has', async () => {
    const steps = (name: string, count: number): Transaction => ({
      when: [{ key: `/${name}`, exists: false }],
      then: Array.from({ length: count }, (_, index) => ({ put: `/${name}/${index}`, value: 'x' })),
    })
    const small = Array.from({ length: 150 }, (_, index) => steps(String(index), 1))
    expect(await together(...small)).toBe(mostOperations - 1)
    expect(await together(...small.slice(0, 10), steps('large', mostOperations - 11))).toBe(11)
    expect(await together(...small.slice(0, 10), steps('large', mostOperations - 10))).toBe(10)
    expect(await together(steps('large', mostOperations), ...small)).toBe(1)
  })

  test('have no more bytes than etcd takes', async () => {
    const large = ['/a', '/b', '/c'].map((key) => put(key, { then: [{ put: key, value: 'x'.repeat(600_000) }] }))
    expect(await together(...large)).toBe(2)
  })

  test('of which etcd refuses one, are asked one by one', async () => {
    const { transact, next } = joined()
    const answers = ['/a', '/b', '/c'].map((key) => transact(put(key)))
    const first = await next(0)
    first.answer()
    const second = await next(1)
    const refusal = new LeaseLost('no lease')
    second.fail(refusal)
    const [third, fourth] = [await next(2), await next(3)]
    expect([third, fourth].map(({ how }) => how)).toEqual(['one', 'one'])
    third.fail(refusal)
    fourth.answer()
    await expect(answers[1]).rejects.toBe(refusal)
    expect(await answers[2]?.then(found)).toEqual(['/c'])
  })

  test.each([
    new StoreUnavailable('away', { mayHaveHappened: true }),
    new StoreFull('no room', { mayHaveHappened: true }),
  ])('that may have happened are not asked again: %s', async (lost) => {
    const { asked, transact, next } = joined()
    const answers = ['/a', '/b', '/c'].map((key) => transact(put(key)))
    asked[0]?.answer()
    const second = await next(1)
    second.fail(lost)
    await expect(answers[1]).rejects.toMatchObject({ mayHaveHappened: true })
    await expect(answers[2]).rejects.toMatchObject({ mayHaveHappened: true })
    await pause()
    expect(asked).toHaveLength(2)
  })

  test('that make room are not sent with those that take some, which a full etcd refuses', async () => {
    const free = put('/free', { then: [{ delete: '/free' }] })
    const attached = put('/b', { then: [{ attach: '/b', lease: 7n }] })
    const otherwise = put('/c', { then: [{ delete: '/c' }], otherwise: [{ put: '/c', value: 'x' }] })
    expect(await together(free, put('/a'), attached, otherwise)).toBe(1)
    const { transact, next } = joined()
    const takeRoom = [put('/before'), put('/a'), attached, otherwise]
    for (const each of takeRoom) transact(each).catch(() => undefined)
    const before = await next(0)
    before.answer()
    expect((await next(1)).transactions).toEqual(takeRoom.slice(1))
  })
})
