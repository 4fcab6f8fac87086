import { describe, expect, test } from '@jest/globals'
import { Backoff, rewatchBackoff } from '../../src/election/backoff.ts'

const almostOne = 1 - Number.EPSILON

function delays(backoff: Backoff, count: number, nowMs = 0): readonly number[] {
  return Array.from({ length: count }, () => Math.round(backoff.nextDelayMs(nowMs)))
}

describe('waiting before the next attempt', () => {
  test('is none the first time, and then a share of a limit that doubles', () => {
    const longest = new Backoff({ ...rewatchBackoff, random: () => almostOne })
    expect(delays(longest, 9)).toEqual([0, 50, 100, 200, 400, 800, 1600, 2000, 2000])
    const shortest = new Backoff({ ...rewatchBackoff, random: () => 0 })
    expect(delays(shortest, 9)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  test('starts anew after what lasted for ten seconds, and not before', () => {
    const backoff = new Backoff({ ...rewatchBackoff, random: () => almostOne })
    delays(backoff, 5)
    backoff.began(1000)
    expect(Math.round(backoff.nextDelayMs(10_999))).toBe(800)
    backoff.began(20_000)
    expect(backoff.nextDelayMs(30_000)).toBe(0)
  })

  test('counts what lasted from when it began, not from when it was heard of last', () => {
    const backoff = new Backoff({ ...rewatchBackoff, random: () => almostOne })
    delays(backoff, 3)
    backoff.began(0)
    backoff.began(9000)
    expect(backoff.nextDelayMs(10_000)).toBe(0)
  })

  test('grows no further after a thousand failures', () => {
    const backoff = new Backoff({ ...rewatchBackoff, random: () => almostOne })
    expect(delays(backoff, 1000).at(-1)).toBe(2000)
  })

  test('is forgotten on demand', () => {
    const backoff = new Backoff({ ...rewatchBackoff, random: () => almostOne })
    delays(backoff, 5)
    backoff.reset()
    expect(delays(backoff, 2)).toEqual([0, 50])
  })
})
