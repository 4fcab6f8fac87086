import { describe, expect, test } from '@jest/globals'
import { excessOf } from '../../src/hub/rebalance.ts'

describe('a pod asks agents to move', () => {
  test.each([
    ['a quarter of what it has over the mean', 100, [20], 10],
    ['the next whole number of them', 42, [0], 6],
    ['at most twenty', 10_000, [0, 0], 20],
    ['where it has ten over the mean', 30, [10], 3],
    ['where others have more than the mean as well', 60, [60, 0], 5],
    ['where it has a quarter more than the mean', 125, [75], 7],
  ])('%s', (_, own, others, excess) => {
    expect(excessOf(own, others)).toBe(excess)
  })
})

describe('a pod asks no agent to move', () => {
  test.each([
    ['where there is no other pod', 10_000, []],
    ['where all have as many', 50, [50, 50]],
    ['where it has fewer than the mean', 0, [100]],
    ['where it has less than ten over the mean', 19, [0]],
    ['where it has less than a quarter over the mean', 1240, [760]],
    ['where it has none', 0, [0, 0]],
  ])('%s', (_, own, others) => {
    expect(excessOf(own, others)).toBe(0)
  })
})

test.each([
  ['one pod', [400]],
  ['several pods', [200, 150, 100]],
])('rounds after a pod was added to %s come to rest, with nobody far over the mean', (_, before) => {
  const pods = [...before, 0]
  let rounds = 0
  for (let moved = Infinity; moved > 0; rounds += 1) {
    expect(rounds).toBeLessThan(100)
    const excesses = pods.map((own, index) => excessOf(own, pods.toSpliced(index, 1)))
    moved = excesses.reduce((sum, excess) => sum + excess, 0)
    excesses.forEach((excess, index) => (pods[index] = (pods[index] ?? 0) - excess))
    // Where they land is the Service's choice: here, each pod in turn.
    for (let turn = 0; turn < moved; turn += 1) pods[turn % pods.length] = (pods[turn % pods.length] ?? 0) + 1
  }
  const mean = pods.reduce((sum, own) => sum + own, 0) / pods.length
  for (const own of pods) expect(own - mean).toBeLessThan(Math.max(10, mean / 4))
})
