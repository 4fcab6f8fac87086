import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { UnreadableRecord } from '../../src/store/errors.ts'
import type { Operation } from '../../src/store/key-value.ts'
import { keys } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { openStore, text } from '../support/store.ts'
import { CommandPlace } from './command-place.ts'

// While pods are updated, newer ones write records that older ones cannot read.

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

const newer = '{"schema":2}'
const done = (commandId: string) => ({ type: 'done' as const, commandId, result: null })
const keyOf = (commandId: string): string => keys.openCommand(place.agentId, commandId)
/** A newer pod changes the record of a command. */
async function rewrite(commandId: string): Promise<void> {
  await store.transact({ when: [], then: [{ put: keyOf(commandId), value: newer }] })
}

describe('the result of a command whose record cannot be read', () => {
  let given: string
  let first: Awaited<ReturnType<CommandPlace['connect']>>
  beforeEach(async () => {
    first = await place.connect()
    first.queue.start()
    given = await place.give('a')
    await first.sends(1)
  })

  test.each(['never was', 'was, before a newer pod changed it'])(
    'and %s, is neither stored nor forgotten',
    async (was) => {
      if (was === 'never was') await first.queue.close()
      const { queue, ends } = was === 'never was' ? await place.connect() : first
      await rewrite(given)
      await expect(queue.finish(done(given))).rejects.toThrow(UnreadableRecord)
      await expect(queue.finish(done(given))).rejects.toThrow(UnreadableRecord)
      expect(text((await store.get(keyOf(given))).found)).toBe(newer)
      expect((await store.get(keys.doneCommand(place.agentId, given))).found).toBeUndefined()
      expect(ends).toEqual([])
      // Said once of what is there, and not by everybody who asks.
      expect(place.lines.filter((line) => Reflect.get(line ?? {}, 'event') === 'command-unreadable')).toHaveLength(1)
    },
  )

  test('is forgotten once a newer pod has ended it', async () => {
    await rewrite(given)
    await expect(first.queue.finish(done(given))).rejects.toThrow(UnreadableRecord)
    await store.transact({ when: [], then: [{ delete: keyOf(given) }] })
    await waitFor('the result to be known', async () => (await first.queue.finish(done(given))) === 'stored')
  })

  test('holds up none of the others', async () => {
    await rewrite(given)
    await expect(first.queue.finish(done(given))).rejects.toThrow(UnreadableRecord)
    const other = await place.give('b')
    expect((await first.sends(2))[1]).toMatchObject({ commandId: other })
    expect(await first.queue.finish(done(other))).toBe('stored')
  })
})

test('a command that waits and cannot be read any more is left alone, and holds up none of the others', async () => {
  const { queue, sends, sent, ends } = await place.connect()
  queue.start()
  queue.pause()
  const waits = await place.give('a')
  await waitFor('the queue to know it', () => queue.waiting === 1, { everyMilliseconds: 5 })
  await rewrite(waits)
  const other = await place.give('b')
  queue.start()
  expect(await sends(1)).toMatchObject([{ commandId: other }])
  expect(await queue.finish(done(other))).toBe('stored')
  expect(sent).toHaveLength(1)
  expect(ends).toEqual([])
  expect(text((await store.get(keyOf(waits))).found)).toBe(newer)
})

test.each<readonly [string, (key: string) => Operation]>([
  ['cannot be read any more', (key) => ({ put: key, value: '{"schema":1}' })],
  ['is gone', (key) => ({ delete: key })],
])('a command whose payload %s fails, and holds nobody up', async (_, change) => {
  const { queue, sends, ends } = await place.connect()
  const broken = await place.give('a')
  const after = await place.give('a')
  await store.transact({ when: [], then: [change(keys.commandPayload(place.agentId, broken))] })
  queue.start()
  expect(await sends(1)).toMatchObject([{ commandId: after }])
  expect(ends).toEqual([])
  expect(place.outcomes).toEqual(['describe failed'])
})
