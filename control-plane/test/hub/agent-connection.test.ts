import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { openConnection, type TestConnection } from './test-connection.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const inSeconds = (seconds: number): Date => new Date(nowMs + seconds * 1000)

let opened: TestConnection
beforeEach(() => {
  // Sockets need what is not faked.
  jest.useFakeTimers({ now: nowMs, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
})
afterEach(async () => {
  jest.useRealTimers()
  await opened.close()
})

/** Why the agent was asked to move, each time, until the connection ends. */
async function askedToMove(): Promise<readonly string[]> {
  opened.connection.close(1000, 'the end of the test')
  await opened.agent.ended
  return opened.agent.messages.flatMap((message) => (message.type === 'move' ? [message.reason] : []))
}

describe('newer credentials are asked for', () => {
  test('a minute before those in use end', async () => {
    opened = await openConnection({ expiresAt: inSeconds(63) })
    await opened.asks()
    await opened.admit()
    jest.advanceTimersByTime(4000)
    expect(await askedToMove()).toEqual(['the credentials expire soon'])
  })

  test('once the agent has registered, where that took until then', async () => {
    opened = await openConnection({ expiresAt: inSeconds(63) })
    await opened.asks()
    jest.advanceTimersByTime(4000)
    await opened.admit()
    expect(await askedToMove()).toEqual(['the credentials expire soon'])
  })

  test('once, where the registration finds that the key ends sooner', async () => {
    opened = await openConnection({ expiresAt: inSeconds(63) })
    await opened.asks()
    jest.advanceTimersByTime(4000)
    await opened.admit({ keyExpiresAt: inSeconds(30) })
    expect(await askedToMove()).toEqual(['the credentials expire soon'])
  })

  test('not where they end no sooner than a minute from now', async () => {
    opened = await openConnection({ expiresAt: inSeconds(3600) })
    await opened.asks()
    await opened.admit()
    jest.advanceTimersByTime(4000)
    expect(await askedToMove()).toEqual([])
  })
})
