import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { CredentialsEnd } from '../../src/hub/credentials-end.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const inSeconds = (seconds: number): Date => new Date(nowMs + seconds * 1000)
const dayMs = 24 * 60 * 60 * 1000

let told: string[]
beforeEach(() => {
  jest.useFakeTimers({ now: nowMs })
  told = []
})
afterEach(() => {
  jest.useRealTimers()
})

/** What is told, with the second at which it is. */
function watched(expiresAt: Date | undefined): CredentialsEnd {
  const tell = (what: string): void => void told.push(`${what} ${(Date.now() - nowMs) / 1000}`)
  return new CredentialsEnd(expiresAt, { onSoon: () => tell('soon'), onOver: () => tell('over') })
}

describe('credentials that end', () => {
  test('are told of a minute before, and when they end', () => {
    watched(inSeconds(100))
    jest.advanceTimersByTime(200_000)
    expect(told).toEqual(['soon 40', 'over 100'])
  })

  test('within a minute are told of at their end alone', () => {
    watched(inSeconds(60))
    jest.advanceTimersByTime(200_000)
    expect(told).toEqual(['over 60'])
  })

  test('later than a timer can be set are watched all the same', () => {
    watched(new Date(nowMs + 60 * dayMs))
    jest.advanceTimersByTime(61 * dayMs)
    expect(told).toEqual([`soon ${60 * 86_400 - 60}`, `over ${60 * 86_400}`])
  })

  test('are told of no more once nobody listens', () => {
    watched(inSeconds(100)).cancel()
    jest.advanceTimersByTime(200_000)
    expect(told).toEqual([])
  })
})

describe('an end that is brought forward', () => {
  test.each([
    ['of credentials that did not end', undefined],
    ['of credentials that ended later', inSeconds(1000)],
  ])('%s is told of instead', (_, before) => {
    watched(before).bringForwardTo(inSeconds(100))
    jest.advanceTimersByTime(2_000_000)
    expect(told).toEqual(['soon 40', 'over 100'])
  })

  test('to less than a minute is told of at once', () => {
    watched(undefined).bringForwardTo(inSeconds(10))
    jest.advanceTimersByTime(200_000)
    expect(told).toEqual(['soon 0', 'over 10'])
  })

  test('is never put off again by what comes late', () => {
    const end = watched(inSeconds(100))
    end.bringForwardTo(inSeconds(100))
    end.bringForwardTo(inSeconds(500))
    jest.advanceTimersByTime(2_000_000)
    expect(told).toEqual(['soon 40', 'over 100'])
  })
})
