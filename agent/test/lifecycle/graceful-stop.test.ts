import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { GracefulStop } from '../../src/lifecycle/graceful-stop.ts'
import { RecordedHost } from '@regent/runtime/test/support/recorded-host.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { ScriptedElection } from '../support/scripted-election.ts'

function guarded(): {
  host: RecordedHost
  election: ScriptedElection
  stop: GracefulStop
  closed: () => number
  log: ReturnType<typeof recordedLog>
} {
  const host = new RecordedHost()
  const log = recordedLog()
  const stop = new GracefulStop({ host, log: log.log, drainBudgetSeconds: 30, abortBudgetSeconds: 1 })
  const election = new ScriptedElection()
  let closes = 0
  stop.guard(election, () => {
    closes += 1
    return Promise.resolve()
  })
  election.start()
  return { host, election, stop, closed: () => closes, log }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s hands over, then closes, then ends with 0', async (signal) => {
  const { host, election, stop, closed, log } = guarded()
  expect(stop.isStopping).toBe(false)
  host.signal(signal)
  expect([stop.isStopping, election.stops, host.exits, closed()]).toEqual([true, 1, [], 0])
  election.stopping.resolve(true)
  expect(await host.ended.promise).toBe(0)
  expect(closed()).toBe(1)
  expect(log.events()).toEqual(['stopping', 'stopped'])
})

test('work that is not provably over ends the process at once with 4, and says why', async () => {
  const { host, election, closed, log } = guarded()
  host.signal('SIGTERM')
  election.stopping.resolve(false)
  expect([await host.ended.promise, closed()]).toEqual([4, 0])
  expect(log.lines().at(-1)).toMatchObject({
    level: 'error',
    event: 'stopped-with-work',
    message: expect.stringContaining('the Lease was not given back') as unknown,
  })
})

test('a stop that fails ends with 4', async () => {
  const { host, election, log } = guarded()
  host.signal('SIGTERM')
  election.stopping.reject(new Error('the thread is gone'))
  expect(await host.ended.promise).toBe(4)
  expect(log.lines().map(({ event }) => event)).toContain('stop-failed')
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal, %s, ends the process at once with %d', async (signal, code) => {
  const { host, election } = guarded()
  host.signal('SIGTERM')
  host.signal(signal)
  expect(host.exits).toEqual([code])
  expect(election.stops).toBe(1)
  election.stopping.resolve(true)
  await host.ended.promise
})

test('a signal before there is anything to hand over ends with 0', async () => {
  const host = new RecordedHost()
  new GracefulStop({ host, log: recordedLog().log, drainBudgetSeconds: 30, abortBudgetSeconds: 1 })
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
    // drain 30 + abort 1 + exit 5, less the second.
    jest.advanceTimersByTime(34_999)
    expect(host.exits).toEqual([])
    jest.advanceTimersByTime(1)
    expect(host.exits).toEqual([4])
    expect(log.events()).toEqual(['stopping', 'stop-overran'])
  })
})
