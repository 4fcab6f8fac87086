import { afterEach, describe, expect, test } from '@jest/globals'
import { NotLeading } from '../../src/election/leadership.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'
import { held, stubborn } from './actions.ts'
import { command } from './command.ts'
import { endAll, linked, type LinkedOptions, turn, waitForLine } from './linked.ts'

afterEach(endAll)

/** A leader that is registered, with actions whose runs the test ends. */
async function leading(options: LinkedOptions = {}) {
  const { actions, next, runs } = held()
  const all = await linked({ actions, ...options })
  const reign = all.lead()
  const peer = await all.plane.nextRegistered()
  await peer.next('heartbeat')
  return { ...all, ...reign, peer, next, runs }
}

/** Whether a promise is settled once everything has happened that waits to. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.finally(() => (settled = true))
  for (let count = 0; count < 20; count += 1) await turn()
  return settled
}

describe('a leader that hands over', () => {
  test('says so, lets finish what runs, waits until its results are stored, and closes in good order', async () => {
    const { plane, peer, leadership, led, next, runs } = await leading()
    plane.onResult = () => undefined
    for (const id of ['runs', 'waits']) peer.say(command(id))
    const run = await next()
    leadership.drain()
    expect(await peer.next('heartbeat')).toMatchObject({ status: 'draining' })
    peer.say(command('late', { target: 'b' }))
    expect(await isSettled(led)).toBe(false)
    run.end('in time')
    expect((await peer.next('done')).result).toBe('in time')
    expect(await isSettled(led)).toBe(false)
    peer.say({ type: 'stored', commandId: 'runs' })
    await led
    expect(await peer.closed).toBe(1000)
    expect(runs.map(({ name }) => name)).toEqual(['runs'])
    // What it did not begin it says nothing of: the next leader is given it again.
    expect(peer.messages.map(({ type }) => type)).toEqual(['received', 'received'])
  })

  test('says on the Lease how it stands with the control plane', async () => {
    const { election, peer, log } = await leading()
    expect(election.links).toEqual(['registered'])
    peer.socket.terminate()
    await waitForLine(log, 'link-lost')
    expect(election.links.at(1)).toBe('unregistered')
    while (election.links.length < 3) await turn()
    expect(election.links).toEqual(['registered', 'unregistered', 'registered'])
  })

  test('without a connection hands over at once where there is nothing to tell', async () => {
    const { plane, peer, leadership, led, log } = await leading()
    plane.refusal = { status: 503 }
    peer.socket.terminate()
    await waitForLine(log, 'link-lost')
    leadership.drain()
    await led
  })

  test('without a connection tries for a moment to tell what it did, and then does without', async () => {
    const { plane, peer, leadership, led, next, log } = await leading()
    peer.say(command('c-1'))
    const run = await next()
    plane.refusal = { status: 503 }
    peer.socket.terminate()
    await waitForLine(log, 'link-lost')
    run.end()
    leadership.drain()
    plane.refusal = undefined
    await (await plane.nextRegistered()).next('done')
    await led
    const { leadership: second, led: alsoLed, peer: other, plane: away, next: begun, log: said } = await leading()
    other.say(command('c-2'))
    const late = await begun()
    away.refusal = { status: 503 }
    other.socket.terminate()
    await waitForLine(said, 'link-lost')
    late.end()
    second.drain()
    await alsoLed
  })

  test('that loses its connection while its results are stored does not wait for it for long', async () => {
    const { plane, peer, leadership, led, next, log } = await leading({ timing: { lastConnectionMs: 50 } })
    plane.onResult = () => undefined
    peer.say(command('c-1'))
    ;(await next()).end()
    await peer.next('done')
    leadership.drain()
    expect(await isSettled(led)).toBe(false)
    plane.refusal = { status: 503 }
    peer.socket.terminate()
    await waitForLine(log, 'link-lost')
    await led
    expect(leadership.signal.aborted).toBe(false)
  })

  test('ends what still runs when its budget is over, and sends nothing of it', async () => {
    const { peer, leadership, led, next } = await leading()
    peer.say(command('c-1'))
    const run = await next()
    leadership.drain()
    await peer.next('heartbeat')
    leadership.refusal = new NotLeading('over')
    leadership.end('drained')
    await led
    expect(run.context.signal.aborted).toBe(true)
    await peer.closed
    expect(peer.messages.filter(({ type }) => type === 'failed')).toEqual([])
  })
})

describe('a leader that has lost its Lease', () => {
  test('ends its connection at once, but has led only until what it did has ended', async () => {
    const ending = Promise.withResolvers<string>()
    const { peer, leadership, led } = await leading({ actions: [stubborn(ending.promise)] })
    peer.say(command('c-1', { action: 'stubborn' }))
    await peer.next('received')
    leadership.refusal = new NotLeading('over')
    leadership.end('lost')
    expect(await peer.closed).toBe(1006)
    expect(await isSettled(led)).toBe(false)
    ending.resolve('at last')
    await led
  })

  test('leaves nothing to its next leadership', async () => {
    const { plane, peer, leadership, led, next, lead } = await leading()
    plane.onResult = () => undefined
    peer.say(command('c-1'))
    ;(await next()).end()
    await peer.next('done')
    leadership.end('lost')
    await led
    lead(new ScriptedLeadership(43n))
    const second = await plane.nextPeer()
    expect((await second.next('register')).epoch).toBe('43')
    await second.next('heartbeat')
    second.say(command('c-2', { action: 'echo' }))
    await second.next('done')
    expect(second.messages.filter(({ type }) => type === 'done')).toEqual([])
  })
})

describe('a leader that is suspended', () => {
  /** It cannot renew: the election ends its reign for now. */
  async function suspended() {
    const all = await leading()
    const { peer, leadership, led, next, election } = all
    peer.say(command('c-1'))
    const run = await next()
    leadership.refusal = new NotLeading('suspended')
    leadership.end('suspended')
    election.become({ role: 'suspended' })
    expect(await peer.next('heartbeat')).toMatchObject({ status: 'suspended' })
    await led
    return { ...all, run }
  }

  test('ends what runs, keeps its connection, and says nothing else', async () => {
    const { peer, run, link } = await suspended()
    expect(run.context.signal.aborted).toBe(true)
    expect(link.isRegistered).toBe(true)
    peer.say(command('c-2', { target: 'b' }))
    for (let count = 0; count < 20; count += 1) await turn()
    expect(peer.messages.map(({ type }) => type)).toEqual(['received'])
  })

  test('goes on with the same connection and epoch, and tells what became of its commands', async () => {
    const { plane, peer, lead, runs } = await suspended()
    peer.say(command('c-2', { target: 'b' }))
    for (let count = 0; count < 20; count += 1) await turn()
    lead(new ScriptedLeadership(42n))
    expect(await peer.next('heartbeat')).toMatchObject({ status: 'online' })
    expect(await peer.next('failed', ({ commandId }) => commandId === 'c-1')).toMatchObject({ retryable: true })
    expect(await peer.next('failed', ({ commandId }) => commandId === 'c-2')).toMatchObject({ retryable: true })
    peer.say(command('c-1', { delivery: 2, action: 'echo' }))
    await peer.next('done')
    expect(runs).toHaveLength(1)
    expect(plane.attempts).toBe(1)
  })

  test('ends its connection when another leads, and does not come back', async () => {
    const { plane, peer, election, link } = await suspended()
    election.become({ role: 'standby' })
    await peer.closed
    for (let count = 0; count < 20; count += 1) await turn()
    expect(plane.attempts).toBe(1)
    expect(link.isRegistered).toBe(false)
  })

  test('ends its connection when it leads again by another epoch', async () => {
    const { plane, peer, lead } = await suspended()
    lead(new ScriptedLeadership(43n))
    await peer.closed
    expect((await (await plane.nextPeer()).next('register')).epoch).toBe('43')
  })

  test('does not connect again before it leads again', async () => {
    const { plane, peer, lead } = await suspended()
    peer.socket.terminate()
    await peer.closed
    for (let count = 0; count < 20; count += 1) await turn()
    expect(plane.attempts).toBe(1)
    lead(new ScriptedLeadership(42n))
    const second = await plane.nextRegistered()
    expect(await second.next('failed')).toMatchObject({ commandId: 'c-1', retryable: true })
  })
})

describe('a leader that is asked to move', () => {
  test('is registered elsewhere before it leaves, and loses nothing', async () => {
    const { plane, peer, next, runs } = await leading()
    plane.onResult = () => undefined
    for (const id of ['ended', 'runs']) peer.say(command(id))
    ;(await next()).end('before')
    await peer.next('done')
    const run = await next()
    peer.say({ type: 'move', reason: 'this pod stops' })
    const second = await plane.nextRegistered()
    expect(await peer.closed).toBe(1000)
    expect((await second.next('done')).result).toBe('before')
    second.say(command('runs', { delivery: 2 }))
    await second.next('received')
    run.end('after')
    expect((await second.next('done')).result).toBe('after')
    expect(runs).toHaveLength(2)
    expect(plane.attempts).toBe(2)
  })

  test('stays where it is until it is registered elsewhere', async () => {
    const { plane, peer } = await leading()
    plane.refusal = { status: 503 }
    peer.say({ type: 'move', reason: 'this pod stops' })
    while (plane.attempts < 3) await turn()
    peer.say(command('c-1', { action: 'echo', payload: 5 }))
    expect((await peer.next('done')).result).toBe(5)
    plane.refusal = undefined
    await plane.nextRegistered()
    expect(await peer.closed).toBe(1000)
  })

  test('again and again does not connect without end', async () => {
    const { plane, peer } = await leading({ timing: { firstRetryMs: 60_000, steadyLongestMs: 60_000 } })
    plane.onRegister = (other) => {
      other.say({ type: 'registered', connectionId: 'c', heartbeatIntervalSeconds: 30 })
      other.say({ type: 'move', reason: 'not here' })
    }
    peer.say({ type: 'move', reason: 'not here' })
    await (await plane.nextRegistered()).next('heartbeat')
    for (let count = 0; count < 50; count += 1) await turn()
    expect(plane.attempts).toBe(2)
  })
})
