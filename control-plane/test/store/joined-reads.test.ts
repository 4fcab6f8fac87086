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
  test('wait for nobody while few read, and are read together beyond that', async () => {
    const { reads: joined, asked } = reads()
    const found = ['a', 'b', 'c', 'd'].map((key) => joined.get(key))
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['b']])
    asked[0]?.answer(5n)
    expect(await found[0]).toMatchObject({ found: { key: 'a' }, revision: 5n })
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['b'], ['c', 'd']])
    asked[2]?.answer(6n)
    expect(await found[3]).toMatchObject({ found: { key: 'd' }, revision: 6n })
  })

  test('of one key are one, but not with a read that was begun before', async () => {
    const { reads: joined, asked } = reads()
    const found = ['a', 'b', 'a', 'a'].map((key) => joined.get(key))
    asked[1]?.answer(1n)
    await turn()
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['b'], ['a']])
    asked[2]?.answer(7n)
    expect((await Promise.all([found[2], found[3]])).map((read) => read?.revision)).toEqual([7n, 7n])
  })

  test('are so few at once that the answer has room', async () => {
    const { reads: joined, asked } = reads()
    for (let index = 0; index < 100; index += 1) void joined.get(String(index))
    asked[0]?.answer(1n)
    await turn()
    expect(asked[2]?.keys).toHaveLength(32)
  })

  test('that fail, fail alone; what comes after them is read', async () => {
    const { reads: joined, asked } = reads()
    const [a, b, c] = ['a', 'b', 'c'].map((key) => joined.get(key))
    asked[0]?.fail(new Error('away'))
    await expect(a).rejects.toThrow('away')
    asked[1]?.answer(1n)
    asked[2]?.answer(2n)
    expect([(await b)?.revision, (await c)?.revision]).toEqual([1n, 2n])
    const last = joined.get('d')
    asked[3]?.answer(3n)
    expect((await last).revision).toBe(3n)
  })
})
