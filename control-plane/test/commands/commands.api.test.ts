import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type CreateCommand, largestPayloadBytes } from '@regent/contract/api.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { Conflict, NotThere } from '../../src/agents/errors.ts'
import { CommandIntake } from '../../src/commands/command-intake.ts'
import { Commands } from '../../src/commands/commands.ts'
import { IdempotencyKeyReused, QueueFull } from '../../src/commands/errors.ts'
import { mostDoneCommands, Sweep } from '../../src/commands/sweep.ts'
import { TooLarge } from '../../src/store/errors.ts'
import { idOf, keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { openStore } from '../support/store.ts'
import { CommandPlace, LossyStore } from './command-place.ts'
import { openCommand } from './open-entry.ts'

let etcd: Etcd
let store: Store
let place: CommandPlace
let next = 0
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
})
beforeEach(async () => {
  place = new CommandPlace(store, `agent-${next++}`, 50)
  await place.approve()
})
afterEach(async () => {
  await place.close()
  // A sweep takes all agents' commands.
  await store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
})
afterAll(async () => {
  store.close()
  await etcd.close()
})

const asked: CreateCommand = { action: 'describe', target: 'agent', payload: { a: 1 }, deadlineSeconds: 60 }
const by = 'somebody'
const openCount = async (): Promise<number> => (await store.count(prefixes.openCommands(place.agentId))).count

describe('creating a command', () => {
  test('stores it, and any pod shows it', async () => {
    const { command, created } = await place.commands.create(place.agentId, asked, { by })
    expect(created).toBe(true)
    expect(command).toMatchObject({
      ...{ agentId: place.agentId, action: 'describe', payload: { a: 1 } },
      state: 'queued',
      createdBy: by,
      deliveries: 0,
      cancelRequested: false,
    })
    expect(Date.parse(command.deadlineAt) - Date.parse(command.createdAt)).toBe(60_000)
    const otherPod = new Commands({ store, mostOpen: 50, ...place.common })
    expect(await otherPod.get(place.agentId, command.commandId)).toEqual(command)
    expect(await otherPod.get(place.agentId, 'never')).toBeUndefined()
  })

  test('fails if there is no such agent, or it is not approved', async () => {
    await expect(place.commands.create('nobody', asked, { by })).rejects.toThrow(NotThere)
    await place.approve('pending')
    await expect(place.commands.create(place.agentId, asked, { by })).rejects.toThrow(Conflict)
    await expect(place.commands.create('../x', asked, { by })).rejects.toThrow(TypeError)
    expect(await openCount()).toBe(0)
  })

  test('fails if the payload is too large', async () => {
    const payload = 'x'.repeat(largestPayloadBytes - 2)
    await place.commands.create(place.agentId, { ...asked, payload }, { by })
    await expect(place.commands.create(place.agentId, { ...asked, payload: `${payload}x` }, { by })).rejects.toThrow(
      TooLarge,
    )
  })

  test('fails if too many are open, and only then', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 60 }, () => place.commands.create(place.agentId, asked, { by })),
    )
    const refused = all.filter((one) => one.status === 'rejected' && one.reason instanceof QueueFull)
    expect(refused).toHaveLength(10)
    expect(await openCount()).toBe(50)
    await expect(place.commands.create(place.agentId, asked, { by })).rejects.toThrow(QueueFull)
    const [first] = (await place.commands.list(place.agentId, { limit: 1 })).items
    await place.commands.cancel(place.agentId, first?.commandId ?? '', { by })
    await place.commands.create(place.agentId, asked, { by })
  })

  test('stores those that come at once together, in the order in which they came', async () => {
    const before = (await store.count(prefixes.agents)).revision
    const made = await Promise.all(
      Array.from({ length: 30 }, (_, n) => place.commands.create(place.agentId, { ...asked, payload: n }, { by })),
    )
    // The first alone, the others while it was stored.
    expect((await store.count(prefixes.agents)).revision - before).toBeLessThanOrEqual(3n)
    const { items } = await place.commands.list(place.agentId, { limit: 100 })
    expect(items.map(({ payload }) => payload)).toEqual(Array.from({ length: 30 }, (_, n) => n))
    expect(items).toEqual(made.map(({ command }) => command))
  })

  test('divides what does not fit into one transaction', async () => {
    const payload = 'x'.repeat(200 * 1024)
    await Promise.all(
      Array.from({ length: 12 }, () => place.commands.create(place.agentId, { ...asked, payload }, { by })),
    )
    expect(await openCount()).toBe(12)
  })

  test.each(['lost', 'late'] as const)('whose answer is %s stores it once', async (fate) => {
    const lossy = new LossyStore(store)
    const { agentId, lease } = place
    const intake = new CommandIntake({ store: lossy, agentId, lease, mostOpen: 50 })
    lossy.next = fate
    const created = intake.add({ command: openCommand('once', { agentId }), payload: 1 })
    expect(await created).toMatchObject({ created: true, command: { commandId: 'once' } })
    expect(await openCount()).toBe(1)
    // What is late does not bring back what has ended meanwhile.
    await place.commands.cancel(agentId, 'once', { by })
    await lossy.late
    expect(await openCount()).toBe(0)
  })
})

describe('an idempotency key', () => {
  const create = (
    idempotencyKey: string,
    changes: Partial<CreateCommand> = {},
    principal = by,
    agentId = place.agentId,
  ) => place.commands.create(agentId, { ...asked, ...changes }, { by: principal, idempotencyKey })

  test('answers the same command, also when both come at once, and when it has ended', async () => {
    const [first, second] = await Promise.all([create('key'), create('key')])
    expect([first.created, second.created]).toEqual([true, false])
    expect(second.command).toEqual(first.command)
    await place.commands.cancel(place.agentId, first.command.commandId, { by })
    expect(await create('key')).toMatchObject({
      created: false,
      command: { state: 'failed', commandId: first.command.commandId },
    })
    expect(await openCount()).toBe(0)
  })

  test('makes one command when two pods are asked at once', async () => {
    const pods = [1, 2, 3].map(() => new Commands({ store, mostOpen: 50, ...place.common }))
    const made = await Promise.all(
      pods.map((pod) => pod.create(place.agentId, asked, { by, idempotencyKey: 'at once' })),
    )
    expect(made.filter(({ created }) => created)).toHaveLength(1)
    expect(new Set(made.map(({ command }) => command.commandId)).size).toBe(1)
  })

  test('is refused for anything else', async () => {
    await create('other')
    const others: Partial<CreateCommand>[] = [
      { payload: { a: 2 } },
      { target: 'b' },
      { action: 'stop' },
      { deadlineSeconds: 61 },
    ]
    for (const changes of others) await expect(create('other', changes)).rejects.toThrow(IdempotencyKeyReused)
    const second = new CommandPlace(store, `agent-${next++}`)
    await second.approve()
    await expect(create('other', {}, by, second.agentId)).rejects.toThrow(IdempotencyKeyReused)
    await second.close()
  })

  test('is of its principal alone', async () => {
    const mine = await create('mine')
    const theirs = await create('mine', {}, 'somebody else')
    expect(theirs.created).toBe(true)
    expect(theirs.command.commandId).not.toBe(mine.command.commandId)
  })

  test('whose command is not kept any more makes no second one', async () => {
    const { command } = await create('forgotten')
    const gone = [keys.openCommand, keys.commandPayload].map((key) => ({
      delete: key(place.agentId, command.commandId),
    }))
    await store.transact({ when: [], then: gone })
    await expect(create('forgotten')).rejects.toThrow(Conflict)
    expect(await openCount()).toBe(0)
  })
})

test('a list has every command once, open and ended, while they change', async () => {
  const ids: string[] = []
  for (let index = 0; index < 45; index++) ids.push(await place.give('agent', index))
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await place.commands.list(place.agentId, { limit: 10, after })
    seen.push(...page.items.map(({ commandId }) => commandId))
    await place.commands.cancel(place.agentId, ids[seen.length - 1] ?? '', { by })
    await place.commands.cancel(place.agentId, ids[seen.length] ?? ids[0] ?? '', { by })
    after = page.next
  } while (after !== undefined)
  expect(seen).toEqual(ids)
})

test('a page of a list ends early where payloads are large', async () => {
  const payload = 'x'.repeat(200 * 1024)
  await Promise.all(
    Array.from({ length: 45 }, () => place.commands.create(place.agentId, { ...asked, payload }, { by })),
  )
  const first = await place.commands.list(place.agentId, { limit: 45 })
  expect(first.items.length).toBeLessThan(45)
  const rest = await place.commands.list(place.agentId, { limit: 45, after: first.next })
  expect(first.items.length + rest.items.length).toBe(45)
  expect(rest.next).toBeUndefined()
})

describe('a sweep', () => {
  const never = new AbortController().signal
  const sweep = () => new Sweep({ store, ...place.common }).sweep(never)

  test('ends what waits past its deadline, and leaves the rest', async () => {
    const expired = await place.give('a')
    place.aheadMs = 30_000
    const waiting = await place.give('b')
    place.aheadMs = 61_000
    await Promise.all([sweep(), sweep(), sweep()])
    expect(await place.commands.get(place.agentId, expired)).toMatchObject({
      state: 'failed',
      error: { code: 'expired' },
    })
    expect(await place.commands.get(place.agentId, waiting)).toMatchObject({ state: 'queued' })
    expect(place.outcomes).toEqual(['describe expired'])
  })

  test('tells what it left open: how much, since when, and what it could not read', async () => {
    await place.give('a')
    place.aheadMs = 30_000
    const second = await place.give('b')
    await place.give('c')
    await store.transact({ when: [], then: [{ put: keys.openCommand(place.agentId, 'unreadable'), value: '{}' }] })
    place.aheadMs = 61_000
    const oldestCreatedAt = (await place.commands.get(place.agentId, second))?.createdAt
    // The first is past its deadline, whichever of them ends it.
    const left = { count: 2, oldestCreatedAt, unreadable: 1 }
    expect(await Promise.all([sweep(), sweep()])).toEqual([left, left])
  })

  test('ends what is past its deadline also where the payload is gone', async () => {
    const commandId = await place.give('a')
    await store.transact({ when: [], then: [{ delete: keys.commandPayload(place.agentId, commandId) }] })
    place.aheadMs = 61_000
    await sweep()
    expect(place.outcomes).toEqual(['describe expired'])
    expect(await openCount()).toBe(0)
  })

  test('gives up what an agent was given only a day after its deadline', async () => {
    const { queue, sends } = await place.connect()
    const commandId = await place.give()
    queue.start()
    await sends(1)
    await queue.close()
    place.aheadMs = 24 * 3600 * 1000
    await sweep()
    expect(await place.commands.get(place.agentId, commandId)).toMatchObject({ state: 'dispatched' })
    place.aheadMs += 61_000
    await sweep()
    const given = await place.commands.get(place.agentId, commandId)
    expect(given).toMatchObject({ state: 'failed', error: { code: 'expired' } })
    expect(given?.error?.message).toMatch(/may have taken effect/)
  })

  test('comes by itself, from any of the pods', async () => {
    const commandId = await place.give()
    place.aheadMs = 61_000
    const ended = new AbortController()
    const running = [1, 2, 3].map(() => new Sweep({ store, ...place.common }).run(ended.signal))
    await waitFor('the end of the command', async () => {
      const shown = await place.commands.get(place.agentId, commandId)
      return shown?.state === 'failed'
    })
    ended.abort()
    await Promise.all(running)
    expect(place.outcomes).toEqual(['describe expired'])
    expect(place.lines).toEqual([])
  })

  test(`keeps the newest ${mostDoneCommands} that ended, with what they carry`, async () => {
    const ids = Array.from({ length: mostDoneCommands + 70 }, (_, index) => `c${String(9999 - index)}`)
    for (let from = 0; from < ids.length; from += 10) {
      const puts = ids.slice(from, from + 50).flatMap((commandId) =>
        [keys.doneCommand, keys.commandPayload].map((key) => ({
          put: key(place.agentId, commandId),
          value: '{"schema":1}',
        })),
      )
      await store.transact({ when: [], then: puts })
    }
    await sweep()
    const left = await store.list(prefixes.doneCommands(place.agentId), {
      limit: 2000,
      keysOnly: true,
      order: 'created',
    })
    expect(left.items).toHaveLength(mostDoneCommands)
    expect((await store.count(prefixes.commandPayloads(place.agentId))).count).toBe(mostDoneCommands)
    // By age, not by name: the names go down.
    expect(left.items.map(({ key }) => idOf(key)).sort()).toEqual(ids.slice(70).sort())
  })

  test('what has ended goes by itself after a day, with what it carried', async () => {
    const commandId = await place.give()
    await place.commands.cancel(place.agentId, commandId, { by })
    const leases = await Promise.all(
      [keys.doneCommand, keys.commandPayload].map(
        async (key) => (await store.get(key(place.agentId, commandId))).found?.lease,
      ),
    )
    expect(leases[0]).toBe(leases[1])
    const left = await etcd.etcdctl('lease', 'timetolive', (leases[0] ?? 0n).toString(16))
    expect(left).toMatch(/granted with TTL\(90000s\)/)
  })
})
