import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { Payload } from '../../src/commands/command-records.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { openStore } from '../support/store.ts'
import { CommandPlace, LossyStore } from './command-place.ts'

let etcd: Etcd
let store: Store
let place: CommandPlace
let next = 0
beforeAll(async () => {
  etcd = await Etcd.start()
})
beforeEach(async () => {
  store = openStore(etcd)
  place = new CommandPlace(store, `agent-${next++}`)
  await place.approve()
})
afterEach(async () => {
  await place.close()
  store.close()
})
afterAll(async () => {
  await etcd.close()
})

const read = (commandId: string) => place.commands.get(place.agentId, commandId)
const done = (commandId: string, result: Payload = null) => ({
  type: 'done' as const,
  commandId,
  result,
})
const failed = (commandId: string, retryable: boolean) => ({
  type: 'failed' as const,
  commandId,
  error: 'no',
  retryable,
})
/** Waits until what the API shows of a command is so. */
const shows = (commandId: string, expected: object): Promise<unknown> =>
  waitFor(
    'what the API shows',
    async () => {
      expect(await read(commandId)).toMatchObject(expected)
      return true
    },
    { seconds: 10, everyMilliseconds: 20 },
  )

describe('a command', () => {
  test('is delivered once it is stored that it is, received, done and forgotten', async () => {
    const { queue, sends, sent } = await place.connect()
    queue.start()
    const commandId = await place.give('agent', { text: 'ü'.repeat(1000) })
    const [command] = await sends(1)
    expect(command).toMatchObject({ type: 'command', commandId, action: 'describe', target: 'agent', delivery: 1 })
    expect(command).toMatchObject({ payload: { text: 'ü'.repeat(1000) } })
    expect(Reflect.get(command ?? {}, 'deadlineSeconds')).toBeGreaterThan(50)
    expect(await read(commandId)).toMatchObject({ state: 'dispatched', deliveries: 1 })
    queue.received(commandId)
    await shows(commandId, { state: 'received' })
    expect(queue.inFlight).toBe(1)
    expect(await queue.finish(done(commandId, { version: 3 }))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'done', result: { version: 3 }, deliveries: 1 })
    expect((await store.count(prefixes.openCommands(place.agentId))).count).toBe(0)
    expect(place.outcomes).toEqual(['describe done'])
    expect(queue.inFlight).toBe(0)
    // Said again after a reconnect: it stays what it was.
    expect(await queue.finish(failed(commandId, false))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'done' })
    expect(sent).toHaveLength(1)
  })

  test('waits for the one before it of its target, and not for others', async () => {
    const { queue, sends, sent } = await place.connect()
    const first = await place.give('a')
    const second = await place.give('a')
    const other = await place.give('b')
    queue.start()
    expect((await sends(2)).map(({ commandId }) => commandId)).toEqual([first, other])
    expect(queue.waiting).toBe(1)
    await queue.finish(done(first))
    expect((await sends(3))[2]).toMatchObject({ commandId: second })
    expect(sent).toHaveLength(3)
  })

  test('is not delivered while the queue pauses, and is then', async () => {
    const { queue, sends, sent } = await place.connect()
    queue.start()
    const first = await place.give('a')
    await sends(1)
    queue.pause()
    const second = await place.give('b')
    // Nothing is sent for it, while what the agent has is still taken.
    expect(await queue.finish(done(first))).toBe('stored')
    await waitFor('the queue to know it', () => queue.waiting === 1, { everyMilliseconds: 5 })
    expect(sent).toHaveLength(1)
    queue.start()
    expect((await sends(2))[1]).toMatchObject({ commandId: second })
  })

  test('that failed is tried again where that may help, three times in all', async () => {
    const { queue, sends } = await place.connect()
    queue.start()
    const commandId = await place.give()
    for (const delivery of [1, 2, 3]) {
      expect((await sends(delivery))[delivery - 1]).toMatchObject({ commandId, delivery })
      expect(await queue.finish(failed(commandId, true))).toBe('stored')
      place.aheadMs += 5000
    }
    expect(await read(commandId)).toMatchObject({
      state: 'failed',
      deliveries: 3,
      error: { code: 'failed', message: 'no' },
    })
  })

  test('that failed and is said to have failed again does not wait longer', async () => {
    const { queue, sends } = await place.connect()
    queue.start()
    const commandId = await place.give()
    await sends(1)
    queue.pause()
    const failure = async (): Promise<bigint | undefined> => {
      expect(await queue.finish(failed(commandId, true))).toBe('stored')
      return (await store.get(keys.openCommand(place.agentId, commandId))).found?.modRevision
    }
    const first = await failure()
    expect(first).toBeGreaterThan(0n)
    expect(await failure()).toBe(first)
  })

  test('that the agent was never given, or does not exist, is not ended by it', async () => {
    const { queue } = await place.connect()
    const commandId = await place.give()
    expect(await queue.finish(done(commandId))).toBe('stored')
    expect(await queue.finish(done('never'))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'queued' })
    expect(place.outcomes).toEqual([])
  })

  test('expires while it waits', async () => {
    const { queue } = await place.connect()
    const commandId = await place.give()
    place.aheadMs = 61_000
    queue.start()
    await shows(commandId, { state: 'failed', error: { code: 'expired' }, deliveries: 0 })
    expect(place.outcomes).toEqual(['describe expired'])
  })

  test('whose result cannot be kept has failed, and says so', async () => {
    const { queue, sends } = await place.connect()
    queue.start()
    const commandId = await place.give()
    await sends(1)
    expect(await queue.finish(done(commandId, Array(50_000).fill(1e20) as number[]))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'failed', error: { code: 'failed' } })
  })
})

describe('a command that is cancelled', () => {
  test('ends at once while it waits', async () => {
    const commandId = await place.give()
    const cancelled = await place.commands.cancel(place.agentId, commandId, { by: 'boss' })
    expect(cancelled).toMatchObject({
      state: 'failed',
      cancelRequested: true,
      error: { code: 'cancelled', message: 'cancelled by boss' },
    })
    const { queue, sent } = await place.connect()
    queue.start()
    const second = await place.give()
    await shows(second, { state: 'dispatched' })
    expect(sent.map((message) => message.commandId)).toEqual([second])
  })

  test('is asked of the agent, once, which says how it ended', async () => {
    const { queue, sends, sent } = await place.connect()
    queue.start()
    const commandId = await place.give()
    await sends(1)
    const asked = await place.commands.cancel(place.agentId, commandId, { by: 'boss' })
    expect(asked).toMatchObject({ state: 'dispatched', cancelRequested: true })
    expect((await sends(2))[1]).toEqual({ type: 'cancel', commandId })
    await place.commands.cancel(place.agentId, commandId, { by: 'another' })
    expect(await queue.finish(failed(commandId, true))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } })
    expect(sent).toHaveLength(2)
  })

  test('is what it was once it has ended, and nothing where it never was', async () => {
    const { queue, sends } = await place.connect()
    queue.start()
    const commandId = await place.give()
    await sends(1)
    await queue.finish(done(commandId))
    expect(await place.commands.cancel(place.agentId, commandId, { by: 'boss' })).toMatchObject({ state: 'done' })
    expect(await place.commands.cancel(place.agentId, 'never', { by: 'boss' })).toBeUndefined()
  })
})

describe('when another leader registers', () => {
  test('it is given what the one before did not finish, and the one before changes nothing any more', async () => {
    const before = await place.connect('1')
    before.queue.start()
    const commandId = await place.give()
    await before.sends(1)
    const after = await place.connect('2')
    after.queue.start()
    expect((await after.sends(1))[0]).toMatchObject({ commandId, delivery: 2 })
    expect(await before.queue.finish(done(commandId, 'stale'))).toBe('fenced')
    expect(await read(commandId)).toMatchObject({ state: 'dispatched', deliveries: 2 })
    expect(await after.queue.finish(done(commandId, 'fresh'))).toBe('stored')
    expect(await read(commandId)).toMatchObject({ state: 'done', result: 'fresh' })
  })

  test('the queue of the one before ends as soon as it would deliver', async () => {
    const before = await place.connect('1')
    before.queue.start()
    await place.connect('2')
    const commandId = await place.give()
    await waitFor('the fence', () => before.ends.length > 0, { everyMilliseconds: 5 })
    expect(before.ends).toEqual(['fenced'])
    expect(before.sent).toEqual([])
    expect(await read(commandId)).toMatchObject({ state: 'queued', deliveries: 0 })
  })

  test('a command that three of them did not survive is poisoned, and the next of its target is delivered', async () => {
    const commandId = await place.give()
    const second = await place.give()
    for (const epoch of ['1', '2', '3']) {
      const { queue, sends } = await place.connect(epoch)
      queue.start()
      expect(await sends(1)).toMatchObject([{ commandId, delivery: Number(epoch) }])
    }
    const { queue, sends } = await place.connect('4')
    queue.start()
    expect(await sends(1)).toMatchObject([{ commandId: second, delivery: 1 }])
    expect(await read(commandId)).toMatchObject({ state: 'poisoned', error: { code: 'poisoned' }, deliveries: 3 })
  })

  test('the same leader that connects again is given what it has, and nothing is poisoned by that', async () => {
    const commandId = await place.give()
    for (let index = 0; index < 5; index++) {
      const { queue, sends } = await place.connect('1')
      queue.start()
      expect(await sends(1)).toMatchObject([{ commandId, delivery: 1 }])
    }
  })
})

describe.each(['lost', 'late'] as const)('a write whose answer is %s', (fate) => {
  test('stores a result once, and the agent hears of it', async () => {
    const lossy = new LossyStore(store)
    const { queue, sends } = await place.connect('1', lossy)
    queue.start()
    const commandId = await place.give()
    await sends(1)
    lossy.next = fate
    expect(await queue.finish(done(commandId, 'once'))).toBe('stored')
    await lossy.late
    expect(await read(commandId)).toMatchObject({ state: 'done', result: 'once' })
    expect((await store.count(prefixes.doneCommands(place.agentId))).count).toBe(1)
  })

  test('stores one failure', async () => {
    const lossy = new LossyStore(store)
    const { queue, sends, sent } = await place.connect('1', lossy)
    queue.start()
    const commandId = await place.give()
    await sends(1)
    lossy.next = fate
    expect(await queue.finish(failed(commandId, true))).toBe('stored')
    await lossy.late
    expect((await sends(2))[1]).toMatchObject({ commandId, delivery: 2 })
    expect(sent).toHaveLength(2)
  })

  test('delivers once', async () => {
    const lossy = new LossyStore(store)
    const { queue, sends, sent } = await place.connect('1', lossy)
    lossy.next = fate
    const commandId = await place.give()
    queue.start()
    expect(await sends(1)).toMatchObject([{ commandId, delivery: 1 }])
    await lossy.late
    expect(await queue.finish(done(commandId))).toBe('stored')
    expect(sent).toHaveLength(1)
    expect(place.lines).toContainEqual(expect.objectContaining({ event: 'commands-wait' }))
  })

  test('ends what has expired once', async () => {
    const lossy = new LossyStore(store)
    const { queue } = await place.connect('1', lossy)
    lossy.next = fate
    const commandId = await place.give()
    place.aheadMs = 61_000
    queue.start()
    await shows(commandId, { state: 'failed', error: { code: 'expired' } })
    await lossy.late
    expect((await store.count(prefixes.doneCommands(place.agentId))).count).toBe(1)
  })
})

test('nothing is lost, and nothing repeated, over an etcd that is killed again and again', async () => {
  const { queue, sent, ends } = await place.connect('1')
  queue.start()
  const given: string[] = []
  const answered = new Set<string>()
  const giving = (async () => {
    for (let index = 0; index < 60; index++) {
      given.push(await waitFor('a command to be stored', () => place.give(`t${index % 7}`), { everyMilliseconds: 20 }))
    }
  })()
  let handled = 0
  const over = new AbortController()
  const working = (async () => {
    while (!over.signal.aborted) {
      const message = sent[handled]
      if (message === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      handled += 1
      expect(answered.has(message.commandId)).toBe(false)
      answered.add(message.commandId)
      await waitFor('a result to be stored', async () => (await queue.finish(done(message.commandId))) === 'stored')
    }
  })()
  for (let kills = 0; kills < 3; kills++) {
    await waitFor('some work', () => answered.size >= 15 * (kills + 1), { everyMilliseconds: 5 })
    await etcd.member.kill()
    etcd.member.start()
    await etcd.ready()
  }
  await giving
  // One whose answer was lost may have been stored, and was given once more: it is done like the others.
  await waitFor('all to be done', async () => (await store.count(prefixes.openCommands(place.agentId))).count === 0)
  over.abort()
  await working
  expect(given.filter((commandId) => !answered.has(commandId))).toEqual([])
  expect((await store.count(prefixes.doneCommands(place.agentId))).count).toBe(answered.size)
  expect(ends).toEqual([])
}, 120_000)
