import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { connectionRecord, fenceRecord, statusRecord } from '../../src/agents/agent-records.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import { LeaseLost, StoreFull, StoreUnavailable, UnreadableRecord } from '../../src/store/errors.ts'
import { agentKeyRecord } from '../../src/identity/agent-keys.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'
import { startPod, type TestPod, type TestPodOptions } from './test-pod.ts'

let etcd: Etcd
let observer: Store
beforeAll(async () => {
  etcd = await Etcd.start()
  observer = openStore(etcd)
})
afterAll(async () => {
  observer.close()
  await etcd.close()
})

let ends: (() => Promise<void> | void)[]
beforeEach(async () => {
  ends = []
  await observer.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
  const key = { hash: '0'.repeat(64), createdAt: '2026-03-01T12:00:00Z', createdBy: 'ada' }
  await observer.transact({
    when: [],
    then: [{ put: keys.agentKey('local', 'abcdefgh'), value: agentKeyRecord.serialize(key) }],
  })
})
afterEach(async () => {
  for (const end of ends.reverse()) await end()
})

/** Identities by bearer token, as this test hands them out. */
const identities: Readonly<Record<string, AgentIdentity>> = {
  cluster: { agentId: 'local', by: 'serviceAccount' },
  'pod-1': { agentId: 'local', by: 'serviceAccount', pod: { name: 'pod-1', uid: 'uid-1' } },
  key: { agentId: 'local', by: 'key', keyId: 'abcdefgh' },
  get inAMinute(): AgentIdentity {
    return { agentId: 'local', by: 'certificate', expiresAt: new Date(Date.now() + 70_000) }
  },
  soon: { agentId: 'local', by: 'key', keyId: 'abcdefgh', expiresAt: new Date(Date.now() + 10) },
}

async function pod(
  name: string,
  settings: Pick<TestPodOptions, 'roundMs' | 'staleAfterSeconds'> = {},
): Promise<TestPod> {
  const started = await startPod({
    etcd,
    name,
    authenticate: ({ headers }) => {
      const identity = identities[(headers.authorization ?? '').slice('Bearer '.length)]
      return Promise.resolve(identity === undefined ? { status: 401, message: 'unknown' } : { identity })
    },
    ...settings,
  })
  ends.push(started.close)
  return started
}

async function stored() {
  const [fence, connection, status] = await Promise.all(
    [keys.fence('local'), keys.connection('local'), keys.status('local')].map((key) => observer.get(key)),
  )
  return {
    fence: fence?.found && fenceRecord.parse(fence.found),
    connection: connection?.found && connectionRecord.parse(connection.found),
    status: status?.found && statusRecord.parse(status.found),
  }
}

const eventually = (what: string, check: () => Promise<boolean> | boolean): Promise<unknown> =>
  waitFor(what, async () => (await check()) || Promise.reject(new Error('not yet')), {
    seconds: 20,
    everyMilliseconds: 20,
  })

describe('registration', () => {
  test('enters who speaks for the agent, where it is connected, and how it is', async () => {
    const { register, queues } = await pod('a')
    const agent = await register()
    const { connectionId, heartbeatIntervalSeconds } = await agent.told('registered')
    expect(heartbeatIntervalSeconds).toBe(30)
    expect(await stored()).toMatchObject({
      fence: { epoch: '10', holder: 'pod-0_uid-0_boot-0', connectionId, pod: 'a' },
      connection: { connectionId, pod: 'a', podUid: 'a-uid', epoch: '10' },
      status: { health: 'online' },
    })
    expect(queues[0]?.calls).toEqual(['start'])
    expect((await new AgentRegistry(observer).read('local')).approval).toBe('approved')
  })

  test.each([
    ['credentials of another agent', { agentId: 'other' }, 'cluster', 4401],
    ['a holder in another pod than the token', { holder: 'pod-2_uid-2_boot' }, 'pod-1', 4401],
    // Neither known nor of this cluster: somebody must decide.
    ['an agent that nobody approved', {}, 'key', 4403],
  ])('%s is refused', async (_, leadership, bearer, code) => {
    const { register } = await pod('a')
    expect((await (await register(leadership, bearer)).ended).code).toBe(code)
    expect((await stored()).fence).toBeUndefined()
  })

  test('an agent of elsewhere is entered as pending, and registers once it is approved', async () => {
    const { register } = await pod('a')
    await (
      await register({}, 'key')
    ).ended
    const registry = new AgentRegistry(observer)
    expect((await registry.read('local')).approval).toBe('pending')
    await registry.decide('local', 'approved', 'ada')
    await (await register({}, 'key')).told('registered')
  })

  test.each([
    ['anything before it', { type: 'heartbeat', status: 'online', activeSessions: 0 } as const, 0],
    ['a second one', registration(), 1],
  ])('%s is out of turn', async (_, message, before) => {
    const { dial } = await pod('a')
    const agent = await dial()
    if (before > 0) {
      agent.say(registration())
      await agent.told('registered')
    }
    agent.say(message)
    expect((await agent.ended).code).toBe(4400)
  })

  test('silence instead of it ends the connection', async () => {
    const { dial } = await pod('a')
    expect((await (await dial()).ended).code).toBe(4408)
  }, 15_000)
})

describe('the newest leadership', () => {
  /** Registers until it is decided whether it may: who is told to come again does, as agents do. */
  async function decided({ register }: TestPod, leadership: Parameters<TestPod['register']>[0]) {
    for (;;) {
      const agent = await register(leadership)
      const code = await agent.told('registered').then(
        () => undefined,
        async () => (await agent.ended).code,
      )
      if (code !== 1013) return agent
    }
  }

  test('closes the older one at another pod, which can come back nowhere', async () => {
    const [a, b] = [await pod('a'), await pod('b')]
    const older = await a.register()
    await older.told('registered')
    const newer = await b.register({ epoch: '11', holder: 'pod-1_uid-1_boot-1' })
    await newer.told('registered')
    expect((await older.ended).code).toBe(4409)
    for (const { register } of [a, b]) expect((await (await register()).ended).code).toBe(4409)
    // The end of the older one has taken nothing from the newer one.
    expect(await stored()).toMatchObject({ connection: { pod: 'b', epoch: '11' }, status: { health: 'online' } })
  })

  test('is counted as one, apart from the first and from one that only connects again', async () => {
    const { register, counted, fenced } = await pod('a')
    for (const epoch of ['10', '10', '12']) await (await register({ epoch })).told('registered')
    await (
      await register({ epoch: '11' })
    ).ended
    expect(counted).toEqual(['accepted first', 'accepted again', 'accepted newer', 'older'])
    expect(fenced).toEqual(['local older'])
  })

  test('is compared as a number', async () => {
    const { register } = await pod('a')
    await (await register({ epoch: '9' })).told('registered')
    await (await register({ epoch: '10', holder: 'pod-1_uid-1_boot-1' })).told('registered')
  })

  test('of another holder with the same epoch is refused', async () => {
    const { register } = await pod('a')
    await (await register()).told('registered')
    expect((await (await register({ holder: 'pod-1_uid-1_boot-1' })).ended).code).toBe(4409)
  })

  test('that moves to another pod leaves no gap, and its first connection ends in peace', async () => {
    const [a, b] = [await pod('a'), await pod('b')]
    const first = await a.register()
    await first.told('registered')
    const second = await b.register()
    await second.told('registered')
    expect((await first.ended).code).toBe(1000)
    expect(await stored()).toMatchObject({ connection: { pod: 'b' }, status: { health: 'online' } })
  })

  test('among many that arrive at once is the only one left', async () => {
    const pods = [await pod('a'), await pod('b')]
    const agents = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        decided(pods[index % 2] as TestPod, { epoch: String(100 + index), holder: `pod-${index}_uid_boot` }),
      ),
    )
    const endings = await Promise.all(agents.slice(0, -1).map(({ ended }) => ended))
    expect(endings.map(({ code }) => code)).toEqual(Array(19).fill(4409))
    expect((await stored()).fence?.epoch).toBe('119')
    expect(agents.at(-1)?.socket.readyState).toBe(1)
    expect(await stored()).toMatchObject({ connection: { epoch: '119' }, status: { health: 'online' } })
  })

  test('of another lineage is a conflict at once, until the fence is reset', async () => {
    const { register, log } = await pod('a')
    await (await register()).told('registered')
    const other = { lineage: 'restored', epoch: '5', holder: 'pod-1_uid-1_boot-1' }
    expect((await (await register(other)).ended).code).toBe(4409)
    await eventually('the conflict', async () => (await stored()).status?.fenceConflict?.epoch === '5')
    expect(log.events()).toContain('fence-conflict')
    await new AgentRegistry(observer).resetFence('local')
    await (await register(other)).told('registered')
    expect((await stored()).status?.fenceConflict).toBeUndefined()
  })
})

test('a registration for which etcd has no room is told to come again, and why', async () => {
  const { register, store, log } = await pod('a')
  Object.assign(store, { transact: () => Promise.reject(new StoreFull('no space', { mayHaveHappened: false })) })
  expect(await (await register()).ended).toEqual({ code: 1013, reason: expect.stringContaining('no room left') })
  expect(log.events()).not.toContain('registration-failed')
})

test('a registration that etcd stored although it said that it has no room is one', async () => {
  const { register, store } = await pod('a')
  const transact = store.transact.bind(store)
  let refused = 0
  Object.assign(store, {
    transact: async (...parameters: Parameters<typeof transact>) => {
      const done = await transact(...parameters)
      if (!parameters[0].then.some((step) => 'put' in step && step.put === keys.fence('local'))) return done
      refused += 1
      throw new StoreFull('no space', { mayHaveHappened: true })
    },
  })
  await (await register()).told('registered')
  expect(refused).toBe(1)
})

describe('a right that ends, ends the connection', () => {
  async function connected(bearer = 'key') {
    const a = await pod('a')
    await new AgentRegistry(observer).create('local', { approved: true, by: 'ada' })
    const agent = await a.register({}, bearer)
    await agent.told('registered')
    return agent
  }

  test.each([
    ['an agent that is rejected', () => new AgentRegistry(observer).decide('local', 'rejected', 'ada'), 4403],
    ['an agent that is removed', () => new AgentRegistry(observer).remove('local'), undefined],
    [
      'a key that is revoked',
      () => observer.transact({ when: [], then: [{ delete: keys.agentKey('local', 'abcdefgh') }] }),
      4401,
    ],
    ['a fence that is reset', () => new AgentRegistry(observer).resetFence('local'), 1013],
  ])('%s', async (_, change, code) => {
    const agent = await connected()
    await change()
    const ending = await agent.ended
    if (code === undefined) expect([1013, 4401, 4410]).toContain(ending.code)
    else expect(ending.code).toBe(code)
  })

  test('an agent that is rejected before its connection has registered', async () => {
    const a = await pod('a')
    await new AgentRegistry(observer).create('local', { approved: true, by: 'ada' })
    const agent = await a.dial('key')
    await new AgentRegistry(observer).decide('local', 'rejected', 'ada')
    expect((await agent.ended).code).toBe(4403)
  })

  test('a key that expires', async () => {
    const a = await pod('a')
    await new AgentRegistry(observer).create('local', { approved: true, by: 'ada' })
    const agent = await a.dial('soon')
    expect((await agent.ended).code).toBe(4401)
  })
})

test('credentials that end in a minute: the agent is asked to come with newer ones, and keeps its connection until then', async () => {
  const { register } = await pod('a')
  await new AgentRegistry(observer).create('local', { approved: true, by: 'ada' })
  const agent = await register({}, 'inAMinute')
  await agent.told('registered')
  expect(await agent.told('move')).toMatchObject({ reason: 'the credentials expire soon' })
  expect(agent.socket.readyState).toBe(agent.socket.OPEN)
  const next = await register({}, 'key')
  await next.told('registered')
  expect(await agent.ended).toEqual({ code: 1000, reason: 'moved' })
})

describe('health', () => {
  test('is what heartbeats say; who does not say online is sent nothing new', async () => {
    const { register, queues } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    for (const status of ['draining', 'online', 'suspended'] as const) {
      agent.say({ type: 'heartbeat', status, activeSessions: 3 })
      await eventually(status, async () => (await stored()).status?.health === status)
    }
    expect((await stored()).status?.activeSessions).toBe(3)
    expect(queues[0]?.calls).toEqual(['start', 'pause', 'start', 'pause'])
  })

  test('is stale after silence, and well again after a heartbeat', async () => {
    const { register, queues } = await pod('a', { staleAfterSeconds: 0.2 })
    const agent = await register()
    await agent.told('registered')
    await eventually('stale', async () => (await stored()).status?.health === 'stale')
    expect(queues[0]?.calls.slice(0, 2)).toEqual(['start', 'pause'])
    agent.say({ type: 'heartbeat', status: 'online', activeSessions: 0 })
    await eventually('start', () => queues[0]?.calls[2] === 'start')
  })

  test('is offline where this pod has entered a connection that it does not hold', async () => {
    const { register } = await pod('pod-a', { roundMs: 100 })
    const agent = await register()
    await agent.told('registered')
    const since = '2026-03-01T12:00:00.000Z'
    const lost = (agentId: string, podUid: string) => [
      {
        put: keys.connection(agentId),
        value: connectionRecord.serialize({ connectionId: 'lost', pod: 'a', podUid, holder: 'h', epoch: '1', since }),
      },
      { put: keys.status(agentId), value: statusRecord.serialize({ health: 'online', since }) },
    ]
    await observer.transact({ when: [], then: [...lost('phantom', 'pod-a-uid'), ...lost('elsewhere', 'pod-b-uid')] })
    const healthOf = async (agentId: string) => {
      const { found } = await observer.get(keys.status(agentId))
      return found && statusRecord.parse(found).health
    }
    await eventually('offline', async () => (await healthOf('phantom')) === 'offline')
    expect((await observer.get(keys.connection('phantom'))).found).toBeUndefined()
    expect(await healthOf('elsewhere')).toBe('online')
    expect((await stored()).status?.health).toBe('online')
    expect((await stored()).connection).toBeDefined()
  })

  test('is offline once the connection is gone', async () => {
    const { register, queues } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    agent.socket.terminate()
    await eventually('offline', async () => (await stored()).status?.health === 'offline')
    expect((await stored()).connection).toBeUndefined()
    expect(queues[0]?.calls.at(-1)).toBe('close')
  })
})

describe('results', () => {
  test('are acknowledged once they are stored, and not before', async () => {
    const { register, queues } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    const [queue] = queues
    const answer = Promise.withResolvers<'stored'>()
    if (queue !== undefined) queue.answer = () => answer.promise
    agent.say({ type: 'received', commandId: 'c-1' })
    agent.say({ type: 'done', commandId: 'c-1', result: 1 })
    await eventually('the result', () => queue?.calls.includes('done c-1') === true)
    expect(agent.messages.filter(({ type }) => type === 'stored')).toEqual([])
    answer.resolve('stored')
    await agent.told('stored', ({ commandId }) => commandId === 'c-1')
    expect(queue?.calls).toEqual(['start', 'received c-1', 'done c-1'])
  })

  test('of a connection that was fenced are not, and each is counted', async () => {
    const { register, queues, fenced } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    const [queue] = queues
    if (queue !== undefined) queue.answer = () => Promise.resolve('fenced')
    agent.say({ type: 'failed', commandId: 'c-1', error: 'no', retryable: false })
    expect((await agent.ended).code).toBe(4409)
    expect(agent.messages.some(({ type }) => type === 'stored')).toBe(false)
    expect(fenced).toEqual(['local result'])
  })

  test('of a connection that learns so by a delivery neither: that is counted too', async () => {
    const { register, queues, fenced } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    queues[0]?.events.onFenced()
    expect((await agent.ended).code).toBe(4409)
    expect(fenced).toEqual(['local delivery'])
  })

  test('that this pod cannot store are not acknowledged, and end no connection that others need', async () => {
    const { register, queues, log } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    const [queue] = queues
    if (queue !== undefined) queue.answer = () => Promise.reject(new UnreadableRecord('c-1', 'of a newer schema'))
    agent.say({ type: 'done', commandId: 'c-1', result: 1 })
    await eventually('the line of the log', () => log.events().includes('result-unstored'))
    if (queue !== undefined) queue.answer = () => Promise.resolve('stored')
    agent.say({ type: 'done', commandId: 'c-2', result: 1 })
    await agent.told('stored', ({ commandId }) => commandId === 'c-2')
    expect(agent.messages.filter(({ type }) => type === 'stored')).toHaveLength(1)
    expect(agent.socket.readyState).toBe(1)
  })

  test.each([
    new StoreUnavailable('away', { mayHaveHappened: true }),
    new StoreFull('full', { mayHaveHappened: true }),
    new LeaseLost('gone'),
  ])('that could not be stored by %p end the connection, so that they are repeated', async (error) => {
    const { register, queues } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    const [queue] = queues
    if (queue !== undefined) queue.answer = () => Promise.reject(error)
    agent.say({ type: 'done', commandId: 'c-1', result: 1 })
    expect((await agent.ended).code).toBe(1013)
  })

  test('that come faster than they are stored wait in the agent', async () => {
    const { register, queues } = await pod('a')
    const agent = await register()
    await agent.told('registered')
    const [queue] = queues
    const answer = Promise.withResolvers<'stored'>()
    if (queue !== undefined) queue.answer = () => answer.promise
    // Larger than what arrives at once: that is parsed as a whole.
    const result = 'x'.repeat(4000)
    for (let index = 0; index < 500; index += 1) agent.say({ type: 'done', commandId: `c-${index}`, result })
    await eventually('as many as may be', () => (queue?.calls.length ?? 0) > 60)
    const began = (): number => queue?.calls.filter((call) => call.startsWith('done')).length ?? 0
    // What was parsed from the bytes that had arrived may go on; the rest is not read.
    expect(began()).toBeLessThan(500)
    answer.resolve('stored')
    await agent.told('stored', ({ commandId }) => commandId === 'c-499')
    expect(began()).toBe(500)
  })
})

describe('a pod', () => {
  test('that stops asks its agents to move, waits, and takes no other', async () => {
    const [a, b] = [await pod('a'), await pod('b')]
    const agent = await a.register()
    await agent.told('registered')
    const draining = a.hub.drain(20)
    await agent.told('move')
    expect(a.hub.isReady).toBe(false)
    expect((await (await a.register({ epoch: '11' })).ended).code).toBe(1013)
    await (await b.register()).told('registered')
    await draining
    expect((await agent.ended).code).toBe(1000)
  })

  test('whose lease was lost enters its connections again with another', async () => {
    const a = await pod('a')
    const agent = await a.register()
    await agent.told('registered')
    const { found } = await observer.get(keys.connection('local'))
    await etcd.etcdctl('lease', 'revoke', (found?.lease ?? 0n).toString(16))
    await eventually('the connection again', async () => {
      const { found: again } = await observer.get(keys.connection('local'))
      return again !== undefined && again.lease !== found?.lease
    })
    expect((await stored()).connection?.pod).toBe('a')
    expect(agent.socket.readyState).toBe(1)
  })

  test('says how many agents it serves, while it lives', async () => {
    const a = await pod('a')
    await (await a.register()).told('registered')
    await eventually('the count', async () => {
      const { found } = await observer.get(keys.pod('a-uid'))
      return found !== undefined && Buffer.from(found.value).toString().includes('"connections":1')
    })
    await a.hub.close()
    expect((await observer.get(keys.pod('a-uid'))).found).toBeUndefined()
  })
})
