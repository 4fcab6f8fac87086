import { describe, expect, test } from '@jest/globals'
import { NotLeading } from '../../src/election/leadership.ts'
import type { LeaderEvent } from '../../src/leader-record/leader-event.ts'
import { LeaderRecord } from '../../src/leader-record/leader-record.ts'
import type { LeaseEvents } from '../../src/leader-record/lease-events.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'

const refusal = (code: number, reason: string, message: string): Error =>
  Object.assign(new Error(message), { code, body: JSON.stringify({ reason, message }) })

/** Events that are kept in memory; `failures` are thrown one after the other by the next attempts to create one. */
class KeptEvents implements LeaseEvents {
  readonly created: LeaderEvent[] = []
  readonly failures: Error[] = []
  attempts = 0
  /** Told of each attempt. */
  onAttempt: () => void = () => undefined

  uid(): Promise<string> {
    return Promise.resolve('lease-uid')
  }

  create(event: LeaderEvent): Promise<void> {
    this.attempts += 1
    this.onAttempt()
    const failure = this.failures.shift()
    if (failure !== undefined) return Promise.reject(failure)
    this.created.push(event)
    return Promise.resolve()
  }
}

function recording(leadership = new ScriptedLeadership()): {
  events: KeptEvents
  record: LeaderRecord
  leadership: ScriptedLeadership
  log: ReturnType<typeof recordedLog>
} {
  const events = new KeptEvents()
  const log = recordedLog()
  const record = new LeaderRecord({
    leaseName: 'regent-agent-local',
    leaseNamespace: 'regent-system',
    connect: () => Promise.resolve(events),
    metrics: { countFenced: () => undefined },
    log: log.log,
    delayMilliseconds: 0,
    retriesMilliseconds: [1, 1],
  })
  return { events, record, leadership, log }
}

/** Lets it lead until it has attempted so many times, and then until it has ended. */
async function ledFor(
  attempts: number,
  recorded: Pick<ReturnType<typeof recording>, 'events' | 'record' | 'leadership'>,
): Promise<void> {
  const { events, record, leadership } = recorded
  const attempted = new Promise<void>((resolve) => {
    events.onAttempt = () => events.attempts === attempts && setImmediate(resolve)
  })
  const led = record.lead(leadership)
  await attempted
  leadership.drain()
  await led
}

test('a leadership is recorded with its epoch, the reason and the phases of the takeover', async () => {
  const recorded = recording()
  await ledFor(1, recorded)
  expect(recorded.events.created).toEqual([
    {
      metadata: {
        name: expect.stringMatching(/^regent-agent-local\.[0-9a-f]{16}$/) as unknown,
        namespace: 'regent-system',
      },
      type: 'Normal',
      reason: 'LeaderElected',
      action: 'Elect',
      note: 'regent-agent-local-0 leads with epoch 42: the leader did not renew the Lease for its whole duration; detected after 6100 ms, acquired after 6150 ms',
      regarding: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        name: 'regent-agent-local',
        namespace: 'regent-system',
        uid: 'lease-uid',
      },
      reportingController: 'regent.dev/agent',
      reportingInstance: 'regent-agent-local-0',
    },
  ])
  expect(recorded.log.events()).toEqual(['leader-event-written'])
})

test('the same leadership gives the same name, another one another', async () => {
  const names: unknown[] = []
  for (const epoch of [42n, 42n, 43n]) {
    const recorded = recording(new ScriptedLeadership(epoch))
    await ledFor(1, recorded)
    names.push(recorded.events.created[0]?.metadata.name)
  }
  expect(names[0]).toBe(names[1])
  expect(names[2]).not.toBe(names[0])
})

describe('it leads on until it is told to end', () => {
  test.each(['drain', 'end'] as const)('by %s', async (way) => {
    const { record, leadership } = recording()
    let ended = false
    const led = record.lead(leadership).then(() => (ended = true))
    await new Promise(setImmediate)
    expect(ended).toBe(false)
    leadership[way]()
    await led
  })

  test('and ends at once where it was told before', async () => {
    const { record, leadership } = recording()
    leadership.end('lost')
    await record.lead(leadership)
  })
})

describe('an Event that cannot be written does not cost the leadership', () => {
  test('it is tried again', async () => {
    const recorded = recording()
    recorded.events.failures.push(new Error('socket hang up'), refusal(500, 'InternalError', 'etcd is away'))
    await ledFor(3, recorded)
    expect(recorded.events.created).toHaveLength(1)
    expect(recorded.log.lines().map(({ event, error, gaveUp }) => [event, error, gaveUp])).toEqual([
      ['leader-event-failed', 'Error: socket hang up', false],
      ['leader-event-failed', 'etcd is away', false],
      ['leader-event-written', undefined, undefined],
    ])
  })

  test('and given up after the third attempt, while it leads on', async () => {
    const recorded = recording()
    recorded.events.failures.push(...Array<Error>(9).fill(refusal(403, 'Forbidden', 'events is forbidden')))
    await ledFor(3, recorded)
    expect(recorded.events.attempts).toBe(3)
    expect(recorded.log.lines().at(-1)).toMatchObject({
      level: 'warn',
      event: 'leader-event-failed',
      error: 'events is forbidden',
      gaveUp: true,
    })
  })

  test('one that is there already is the one that was wanted', async () => {
    const recorded = recording()
    recorded.events.failures.push(refusal(409, 'AlreadyExists', 'events "x" already exists'))
    await ledFor(1, recorded)
    expect(recorded.log.lines()).toEqual([])
  })

  test('nothing is written once the leadership is over', async () => {
    const { record, leadership, events } = recording()
    const asserted = new Promise<void>((resolve) => {
      Object.defineProperty(leadership, 'refusal', { get: () => (resolve(), new NotLeading('epoch 42 is over')) })
    })
    const led = record.lead(leadership)
    await asserted
    leadership.end('lost')
    await led
    expect(events.attempts).toBe(0)
  })
})

test('a client that could not be loaded is loaded anew by the next attempt, and once only', async () => {
  const events = new KeptEvents()
  let loads = 0
  const record = new LeaderRecord({
    leaseName: 'a',
    leaseNamespace: 'b',
    connect: () => {
      loads += 1
      return loads === 1 ? Promise.reject(new Error('no memory')) : Promise.resolve(events)
    },
    metrics: { countFenced: () => undefined },
    log: recordedLog().log,
    delayMilliseconds: 0,
    retriesMilliseconds: [1, 1],
  })
  for (const epoch of [42n, 43n]) {
    await ledFor(events.attempts + 1, { events, record, leadership: new ScriptedLeadership(epoch) })
  }
  expect(events.created).toHaveLength(2)
  expect(loads).toBe(2)
})

test('a leadership that is over before its Event is due loads nothing', async () => {
  const loaded: unknown[] = []
  const record = new LeaderRecord({
    leaseName: 'a',
    leaseNamespace: 'b',
    connect: () => {
      loaded.push('the client')
      return Promise.resolve(new KeptEvents())
    },
    metrics: { countFenced: () => undefined },
    log: recordedLog().log,
  })
  const leadership = new ScriptedLeadership()
  const led = record.lead(leadership)
  leadership.drain()
  await led
  expect(loaded).toEqual([])
})
