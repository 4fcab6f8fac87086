import { describe, expect, test } from '@jest/globals'
import { JoinedReads, type ReadKeys } from '../../src/store/joined-reads.ts'

interface Asked {
  readonly keys: readonly string[]
  readonly answer: (revision: bigint) => void
  readonly fail: (error: Error) => void
}

/** Reads whose answers a test gives: each finds its own key. */
function reads(): { readonly reads: JoinedReads; readonly asked: Asked[] } {
  const asked: Asked[] = []
  const read: ReadKeys = (keys) =>
    new Promise((resolve, reject) => {
      asked.push({
        keys,
        answer: (revision) => resolve({ found: keys.map((key) => item(key)), revision }),
        fail: reject,
      })
    })
  return { reads: new JoinedReads(read), asked }
}

const item = (key: string) => ({ key, value: Buffer.from(key), createRevision: 1n, modRevision: 1n, lease: 0n })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('joined reads', () => {
  test('wait for nobody while none is under way, and are read together behind one that is', async () => {
    const { reads: joined, asked } = reads()
    const found = ['a', 'b', 'c'].map((key) => joined.get(key))
    expect(asked.map(({ keys }) => keys)).toEqual([['a']])
    asked[0]?.answer(5n)
    expect(await found[0]).toMatchObject({ found: { key: 'a' }, revision: 5n })
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['b', 'c']])
    asked[1]?.answer(6n)
    expect(await found[2]).toMatchObject({ found: { key: 'c' }, revision: 6n })
  })

  test('of one key are one, but not with a read that was begun before', async () => {
    const { reads: joined, asked } = reads()
    const found = ['a', 'a', 'b', 'a'].map((key) => joined.get(key))
    asked[0]?.answer(1n)
    await turn()
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['a', 'b']])
    asked[1]?.answer(7n)
    expect((await Promise.all(found)).map(({ revision }) => revision)).toEqual([1n, 7n, 7n, 7n])
  })

  test('are so few at once that the answer has room', async () => {
    const { reads: joined, asked } = reads()
    for (let index = 0; index < 100; index += 1) void joined.get(String(index))
    asked[0]?.answer(1n)
    await turn()
    expect(asked[1]?.keys).toHaveLength(32)
  })

  test('that fail, fail alone; what comes after them is read', async () => {
    const { reads: joined, asked } = reads()
    const [a, b] = ['a', 'b'].map((key) => joined.get(key))
    asked[0]?.fail(new Error('away'))
    await expect(a).rejects.toThrow('away')
    asked[1]?.answer(2n)
    expect((await b)?.revision).toBe(2n)
    const last = joined.get('c')
    asked[2]?.answer(3n)
    expect((await last).revision).toBe(3n)
  })
})
