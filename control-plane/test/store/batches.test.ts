import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Batches, type Waiting } from '../../src/store/batches.ts'

interface Begun {
  readonly items: readonly string[]
  readonly answer: () => void
  readonly fail: (error: Error) => void
}

/** Batches whose answers a test gives: each is answered with its own name. */
function batches(options: { readonly most?: number; readonly apartMs?: number } = {}) {
  const begun: Begun[] = []
  const { most = 100, apartMs } = options
  const all = new Batches<string, string>({
    together: (waiting) => Math.min(most, waiting.length),
    run: (batch: readonly Waiting<string, string>[]) =>
      new Promise((resolve, reject) => {
        begun.push({
          items: batch.map(({ item }) => item),
          answer: () => {
            for (const { item, resolve: say } of batch) say(item)
            resolve()
          },
          fail: reject,
        })
      }),
    ...(apartMs === undefined ? {} : { apartMs }),
  })
  return { all, begun }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('batches', () => {
  test('begin with the first who comes, and take together those who come meanwhile', async () => {
    const { all, begun } = batches()
    const answers = ['a', 'b', 'c'].map((item) => all.add(item))
    expect(begun.map(({ items }) => items)).toEqual([['a']])
    expect([all.waiting, all.isIdle]).toEqual([2, false])
    begun[0]?.answer()
    expect(await answers[0]).toBe('a')
    expect(begun[1]?.items).toEqual(['b', 'c'])
    begun[1]?.answer()
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c'])
    await turn()
    expect([all.waiting, all.isIdle]).toEqual([0, true])
  })

  test('are as large as they may be, in the order in which all came', async () => {
    const { all, begun } = batches({ most: 2 })
    const answers = ['a', 'b', 'c', 'd', 'e'].map((item) => all.add(item))
    for (const [index, expected] of [['a'], ['b', 'c'], ['d', 'e']].entries()) {
      await turn()
      expect(begun[index]?.items).toEqual(expected)
      begun[index]?.answer()
    }
    await Promise.all(answers)
  })

  test('that fail, fail together; what comes after them is done', async () => {
    const { all, begun } = batches()
    const answers = ['a', 'b', 'c'].map((item) => all.add(item))
    begun[0]?.answer()
    await turn()
    begun[1]?.fail(new Error('away'))
    await expect(answers[1]).rejects.toThrow('away')
    await expect(answers[2]).rejects.toThrow('away')
    const last = all.add('d')
    await turn()
    begun[2]?.answer()
    expect(await last).toBe('d')
  })
})

describe('batches with a time between them', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }))
  afterEach(() => void jest.useRealTimers())

  test('wait for it, and take along who comes until then', async () => {
    const { all, begun } = batches({ apartMs: 10 })
    const answers = [all.add('a'), all.add('b')]
    begun[0]?.answer()
    await turn()
    await jest.advanceTimersByTimeAsync(9)
    expect(begun).toHaveLength(1)
    answers.push(all.add('c'))
    await jest.advanceTimersByTimeAsync(1)
    expect(begun[1]?.items).toEqual(['b', 'c'])
    begun[1]?.answer()
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c'])
  })

  test('begin at once where the last one is long ago', async () => {
    const { all, begun } = batches({ apartMs: 10 })
    void all.add('a')
    begun[0]?.answer()
    await jest.advanceTimersByTimeAsync(10)
    void all.add('b')
    expect(begun[1]?.items).toEqual(['b'])
  })
})
