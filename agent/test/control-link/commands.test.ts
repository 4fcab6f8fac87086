import { afterEach, describe, expect, test } from '@jest/globals'
import { setTimeout as pause } from 'node:timers/promises'
import { largestMessageBytes } from '@regent/contract/messages.ts'
import * as z from 'zod/mini'
import { action, ActionFailed, type Json } from '../../src/control-link/action.ts'
import { held } from './actions.ts'
import { command } from './command.ts'
import { endAll, linked, turn } from './linked.ts'
import type { Peer } from './scripted-control-plane.ts'

afterEach(endAll)

/** A leader that is registered, with actions whose runs the test ends. */
async function leading() {
  const { actions, next, runs } = held()
  const all = await linked({ actions })
  const reign = all.lead()
  const peer = await all.plane.nextRegistered()
  return { ...all, ...reign, peer, next, runs }
}

describe('a command', () => {
  test('is taken up, runs, and its result is told', async () => {
    const { peer, next, metrics } = await leading()
    peer.say(command('c-1'))
    expect(await peer.next('received')).toEqual({ type: 'received', commandId: 'c-1' })
    const run = await next()
    expect(run.context.commandId).toBe('c-1')
    run.end({ a: [1, 'two', null] })
    expect(await peer.next('done')).toEqual({ type: 'done', commandId: 'c-1', result: { a: [1, 'two', null] } })
    expect(metrics.counted).toContain('hold done')
  })

  test('that waited for the takeover tells how long: the first one, and none that comes later', async () => {
    const { peer, next, metrics } = await leading()
    for (const id of ['c-1', 'c-2']) {
      peer.say(command(id, { target: id }))
      ;(await next()).end(null)
      await peer.next('done')
    }
    expect(metrics.phases.map(({ phase }) => phase)).toEqual(['registered', 'first-command'])
    expect(metrics.phases[1]?.seconds).toBeGreaterThanOrEqual(metrics.phases[0]?.seconds ?? NaN)

    const later = await leading()
    await pause(1100)
    later.peer.say(command('c-1'))
    await later.peer.next('received')
    expect(later.metrics.phases.map(({ phase }) => phase)).toEqual(['registered'])
  })

  test('that fails says why, without its secrets', async () => {
    const { peer, next } = await leading()
    peer.say(command('c-1'))
    ;(await next()).fail(new Error(`refused: Bearer abc.def ${'x'.repeat(10_000)}`))
    const { error, retryable } = await peer.next('failed')
    expect(error).toMatch(/^refused: Bearer \[redacted\] xxx/)
    expect(error.length).toBeLessThanOrEqual(4096)
    expect(retryable).toBe(false)
  })

  test('that may succeed later says so', async () => {
    const { peer, next } = await leading()
    peer.say(command('c-1'))
    ;(await next()).fail(new ActionFailed('the API server does not answer', { retryable: true }))
    expect(await peer.next('failed')).toMatchObject({ error: 'the API server does not answer', retryable: true })
  })

  test('of an action that nobody knows fails, and names those that there are', async () => {
    const { peer, metrics } = await leading()
    peer.say(command('c-1', { action: 'fly' }))
    expect(await peer.next('failed')).toEqual({
      type: 'failed',
      commandId: 'c-1',
      retryable: false,
      error: "the agent knows no action 'fly'; it knows hold, echo: use one of these, or upgrade the agent",
    })
    expect(metrics.counted).toContain('unknown rejected')
  })

  test('whose payload does not fit never runs, and says what does not fit', async () => {
    const { peer, runs } = await leading()
    peer.say(command('c-1', { payload: { name: 5 } }))
    const { error, retryable } = await peer.next('failed')
    expect(error).toMatch(/^the payload does not fit the action 'hold': payload\.name: /)
    expect(retryable).toBe(false)
    expect(runs).toEqual([])
  })

  test('whose result is too large fails, and says how large it may be', async () => {
    const envelope = JSON.stringify({ type: 'done', commandId: 'c-1', result: '' }).length
    const large = 'x'.repeat(largestMessageBytes - envelope)
    expect((await (await leadingWith(large)).next('done')).result).toBe(large)
    const { error } = await (await leadingWith(`${large}x`)).next('failed')
    expect(error).toMatch(/^the result has \d+ bytes, expected at most 524288 with its envelope/)
  })

  test.each([
    ['nothing', undefined],
    ['a number that JSON does not have', 1n],
    ['itself', circular()],
    ['a depth that the protocol does not have', nested(40)],
  ])('whose result is %s fails instead of being told wrongly', async (_, result) => {
    const peer = await leadingWith(result as Json)
    expect((await peer.next('failed')).error).toMatch(/^the result (is no JSON|cannot be written as JSON)/)
  })

  test('that could not begin in time is not begun', async () => {
    const { peer, runs } = await leading()
    peer.say(command('c-1', { deadlineSeconds: 0 }))
    expect((await peer.next('failed')).error).toMatch(/^expired: it could begin only 0\.0 s after it came/)
    expect(runs).toEqual([])
  })
})

describe('commands of one target', () => {
  test('run one after the other, and those of others beside them', async () => {
    const { peer, next, runs } = await leading()
    for (const id of ['a-1', 'a-2']) peer.say(command(id))
    peer.say(command('b-1', { target: 'b' }))
    const [first, beside] = [await next(), await next()]
    expect([first.name, beside.name]).toEqual(['a-1', 'b-1'])
    for (let count = 0; count < 3; count += 1) await peer.next('received')
    beside.end()
    expect((await peer.next('done')).commandId).toBe('b-1')
    expect(runs).toHaveLength(2)
    first.end()
    expect((await next()).name).toBe('a-2')
  })
})

describe('a command that is delivered again', () => {
  test('while it runs is not run twice', async () => {
    const { peer, next, runs } = await leading()
    peer.say(command('c-1'))
    const run = await next()
    peer.say(command('c-1', { delivery: 2 }))
    await peer.next('received')
    await peer.next('received')
    run.end()
    await peer.next('done')
    expect(runs).toHaveLength(1)
  })

  test('after it ended, and before that was stored, is answered with the same result', async () => {
    const { plane, peer, next, runs } = await leading()
    plane.onResult = () => undefined
    peer.say(command('c-1'))
    ;(await next()).end('once')
    await peer.next('done')
    peer.say(command('c-1', { delivery: 2 }))
    expect((await peer.next('done')).result).toBe('once')
    expect(runs).toHaveLength(1)
  })

  test('after its result was stored runs again: whoever stored it has asked for that', async () => {
    const { peer, next, runs } = await leading()
    peer.say(command('c-1'))
    ;(await next()).fail(new ActionFailed('not yet', { retryable: true }))
    await peer.next('failed')
    await turn()
    peer.say(command('c-1', { delivery: 2 }))
    ;(await next()).end('now')
    expect((await peer.next('done')).result).toBe('now')
    expect(runs).toHaveLength(2)
  })
})

describe('results', () => {
  test('that were not stored are told again after a reconnect, in their order, and then no more', async () => {
    const { plane, peer, next } = await leading()
    plane.onResult = () => undefined
    for (const id of ['c-1', 'c-2', 'c-3']) peer.say(command(id))
    for (const id of ['c-1', 'c-2', 'c-3']) {
      ;(await next()).end(id)
      await peer.next('done')
    }
    peer.say({ type: 'stored', commandId: 'c-2' })
    // What was said before is heard before the end.
    peer.socket.close(1012)
    const second = await plane.nextRegistered()
    expect([(await second.next('done')).commandId, (await second.next('done')).commandId]).toEqual(['c-1', 'c-3'])
    for (const commandId of ['c-1', 'c-3']) second.say({ type: 'stored', commandId })
    second.socket.close(1012)
    const third = await plane.nextRegistered()
    await third.next('heartbeat')
    expect(third.messages.filter(({ type }) => type === 'done')).toEqual([])
  })

  test('of what ran while there was no connection are told on the next', async () => {
    const { plane, peer, next } = await leading()
    peer.say(command('c-1'))
    const run = await next()
    peer.socket.terminate()
    const second = await plane.nextRegistered()
    run.end('late')
    expect((await second.next('done')).result).toBe('late')
  })
})

describe('a cancelled command', () => {
  test('that runs is told to end, and says so', async () => {
    const { peer, next } = await leading()
    peer.say(command('c-1'))
    const run = await next()
    peer.say({ type: 'cancel', commandId: 'c-1' })
    expect(await peer.next('failed')).toMatchObject({ error: 'cancelled while it ran: told to end', retryable: false })
    expect(run.context.signal.aborted).toBe(true)
  })

  test('that waits never begins, and the one after it does', async () => {
    const { peer, next, runs } = await leading()
    for (const id of ['c-1', 'c-2', 'c-3']) peer.say(command(id))
    const first = await next()
    peer.say({ type: 'cancel', commandId: 'c-2' })
    expect(await peer.next('failed')).toMatchObject({ commandId: 'c-2', error: 'cancelled before it began' })
    first.end()
    expect((await next()).name).toBe('c-3')
    expect(runs).toHaveLength(2)
  })

  test('that nobody here knows is of the past', async () => {
    const { peer } = await leading()
    peer.say({ type: 'cancel', commandId: 'long-ago' })
    peer.say(command('c-1', { action: 'echo' }))
    expect((await peer.next('done')).commandId).toBe('c-1')
  })
})

/** A leader that was told to do what gives this result. */
async function leadingWith(result: Json): Promise<Peer> {
  const give = action({ action: 'give', payload: z.unknown(), run: () => Promise.resolve(result) })
  const { plane, lead } = await linked({ actions: [give] })
  lead()
  const peer = await plane.nextRegistered()
  peer.say(command('c-1', { action: 'give' }))
  return peer
}

function circular(): object {
  const self: Record<string, unknown> = {}
  self['self'] = self
  return self
}

function nested(depth: number): unknown {
  return depth === 0 ? 'deep' : [nested(depth - 1)]
}
