import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { GracefulStop } from '../../lifecycle/graceful-stop.ts'
import { RecordedHost } from '../support/recorded-host.ts'
import { recordedLog } from '../support/recorded-log.ts'

function guarded() {
  const host = new RecordedHost()
  const log = recordedLog()
  const stop = new GracefulStop({ host, log: log.log, budgetSeconds: 31 })
  const finishing = Promise.withResolvers<boolean>()
  let asked = 0
  stop.guard(() => {
    asked += 1
    return finishing.promise
  })
  return { host, stop, log, finishing, asked: () => asked }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s lets it finish, then ends with 0', async (signal) => {
  const { host, stop, log, finishing, asked } = guarded()
  expect(stop.isStopping).toBe(false)
  host.signal(signal)
  expect([stop.isStopping, asked(), host.exits]).toEqual([true, 1, []])
  finishing.resolve(true)
  expect(await host.ended.promise).toBe(0)
  expect(log.events()).toEqual(['stopping', 'stopped'])
})

test('what is not over ends with 4', async () => {
  const { host, log, finishing } = guarded()
  host.signal('SIGTERM')
  finishing.resolve(false)
  expect(await host.ended.promise).toBe(4)
  expect(log.events()).toEqual(['stopping'])
})

test('a stop that fails ends with 4, and says why', async () => {
  const { host, log, finishing } = guarded()
  host.signal('SIGTERM')
  finishing.reject(new Error('the thread is gone'))
  expect(await host.ended.promise).toBe(4)
  expect(log.lines().at(-1)).toMatchObject({
    event: 'stop-failed',
    error: 'Error: the thread is gone',
  })
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal, %s, ends the process at once with %d', async (signal, code) => {
  const { host, finishing, asked } = guarded()
  host.signal('SIGTERM')
  host.signal(signal)
  expect(host.exits).toEqual([code])
  expect(asked()).toBe(1)
  finishing.resolve(true)
  await host.ended.promise
})

test('a signal before there is anything to finish ends with 0', async () => {
  const host = new RecordedHost()
  new GracefulStop({ host, log: recordedLog().log, budgetSeconds: 30 })
  host.signal('SIGTERM')
  expect(await host.ended.promise).toBe(0)
})

describe('in time', () => {
  beforeEach(() => {
    jest.useFakeTimers()
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  test('a stop that never ends is given up a second before the kubelet would kill the process', () => {
    const { host, log } = guarded()
    host.signal('SIGTERM')
    // The budget of 31 s, and 5 s for the exit, less the second.
    jest.advanceTimersByTime(34_999)
    expect(host.exits).toEqual([])
    jest.advanceTimersByTime(1)
    expect(host.exits).toEqual([4])
    expect(log.events()).toEqual(['stopping', 'stop-overran'])
  })
})
