import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { ControlPlaneMessage } from '@regent/contract/messages.ts'
import { asNewer, goldenFromAgent, strangeToVersion1 } from '@regent/contract/test/protocol-v1/golden.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { agentRecord } from '../../src/agents/agent-records.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { AgentQueue } from '../../src/commands/agent-queue.ts'
import { Commands } from '../../src/commands/commands.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { AgentsServer } from '../../src/hub/agents-server.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'

// This control plane before an agent of the release before, or of the next one.

let etcd: Etcd
let store: Store
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
})
afterAll(async () => {
  store.close()
  await etcd.close()
})

const log = recordedLog()
let hub: Hub
let server: AgentsServer<AgentIdentity>
let commands: Commands
let port = 0
beforeEach(async () => {
  await store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
  const lease = new HourlyLease(store)
  commands = new Commands({ store, lease, mostOpen: 10, log: log.log })
  hub = new Hub({
    store,
    pod: { name: 'pod', uid: 'pod-uid' },
    heartbeatIntervalSeconds: 30,
    staleAfterSeconds: 75,
    openQueue: ({ agentId, connectionId, epoch, holder, fence }, events) =>
      new AgentQueue({
        ...{ store, lease, agentId, fence, log: log.log },
        deliverer: { connectionId, holder, epoch: String(epoch) },
        ...events,
      }),
    events: { onRegistration: () => undefined, onFenced: () => undefined },
    log: log.log,
  })
  hub.start()
  server = new AgentsServer<AgentIdentity>({
    address: '127.0.0.1',
    port: 0,
    mostConnections: 100,
    authenticate: ({ headers }) =>
      Promise.resolve({
        identity: { agentId: headers.authorization === 'Bearer a' ? 'a' : 'local', by: 'serviceAccount' },
      }),
    onAgent: (socket, identity) => hub.accept(socket, identity),
  })
  port = await server.listen()
  await waitFor('lease of the pod', () => hub.isReady, { seconds: 10, everyMilliseconds: 20 })
})
afterEach(async () => {
  await hub.close()
  await server.close()
})

/** An agent that says what no type of ours allows. */
async function dial(bearer = 'local') {
  const agent = await new RecordedAgent(port, bearer).open()
  return Object.assign(agent, { sayAnything: (message: object) => agent.socket.send(JSON.stringify(message)) })
}

async function give(agentId: string) {
  const wanted = { action: 'describe', target: 'agent', payload: {}, deadlineSeconds: 60 }
  return await commands.create(agentId, wanted, { by: 'the test' })
}

const ended = (agentId: string, commandId: string): Promise<unknown> =>
  waitFor('the end', async () => {
    const command = await commands.get(agentId, commandId)
    return command?.finishedAt !== undefined && command
  })

describe('an agent of version 1', () => {
  test.each(goldenFromAgent.filter(({ message }) => message.type === 'register'))(
    'registers ($name), and is told only what version 1 knows',
    async ({ message }) => {
      const agentId = 'agentId' in message ? message.agentId : ''
      const agent = await dial(agentId === 'a' ? 'a' : 'local')
      // The second one is of another id than these credentials.
      agent.sayAnything({ ...message, agentId: agentId === 'a' ? 'a' : 'local' })
      await agent.told('registered')
      const id = agentId === 'a' ? 'a' : 'local'
      const { command } = await give(id)
      await agent.told('command')
      const { commandId } = command
      await commands.cancel(id, commandId, { by: 'the test' })
      await agent.told('cancel')
      agent.sayAnything({ type: 'failed', commandId, error: 'given up', retryable: false })
      await agent.told('stored')
      void hub.drain(1)
      await agent.told('move')
      const told: readonly ControlPlaneMessage[] = agent.messages
      expect(new Set(told.map(({ type }) => type))).toEqual(
        new Set(['registered', 'command', 'cancel', 'stored', 'move']),
      )
      expect(told.map(strangeToVersion1).filter((strange) => strange !== undefined)).toEqual([])
    },
  )
})

describe('a newer agent', () => {
  const newer = { protocolVersion: 2, oldestProtocolVersion: 1, features: ['sessions/2'] }

  test('speaks the version that both know, and nothing that only it knows is kept', async () => {
    const agent = await dial()
    agent.sayAnything(asNewer({ ...registration(), ...newer }))
    expect(await agent.told('registered')).toMatchObject({ protocolVersion: 1 })
    const { found } = await store.get(keys.agent('local'))
    expect(Buffer.from(found?.value ?? []).toString()).not.toContain('addedLater')
    expect(found && agentRecord.parse(found)).toMatchObject({ protocolVersion: 1, features: ['sessions/2'] })
  })

  test('carries out commands, and what it says beside that is ignored and told once', async () => {
    const agent = await dial()
    agent.sayAnything({ ...registration(), ...newer })
    await agent.told('registered')
    for (const strange of [{ type: 'inventory', items: [] }, { type: 'inventory' }, { type: 'shout' }]) {
      agent.sayAnything(strange)
    }
    agent.sayAnything(asNewer({ type: 'heartbeat', status: 'online', activeSessions: 1 }))
    const { commandId } = (await give('local')).command
    await agent.told('command')
    agent.sayAnything(asNewer({ type: 'received', commandId }))
    agent.sayAnything(asNewer({ type: 'done', commandId, result: { of: 'it' } }))
    await agent.told('stored', (stored) => stored.commandId === commandId)
    expect(await ended('local', commandId)).toMatchObject({ state: 'done', result: { of: 'it' } })
    expect(log.lines().filter(({ event }) => event === 'message-ignored')).toMatchObject([
      { agent: 'local', type: 'inventory' },
    ])
  })

  test.each([
    [
      'one version, which is another',
      { protocolVersion: 2 },
      'expected protocol version 1, got 2; update the older side',
    ],
    [
      'none that is so old',
      { protocolVersion: 3, oldestProtocolVersion: 2 },
      'expected protocol version 1, got 2 to 3; update the older side',
    ],
  ])('is refused by name if it speaks %s', async (_, versions, reason) => {
    const agent = await dial()
    agent.sayAnything({ ...registration(), ...versions })
    expect(await agent.ended).toEqual({ code: 4426, reason })
    expect((await store.get(keys.fence('local'))).found).toBeUndefined()
  })

  test('is out of turn if something that is not known comes first', async () => {
    const agent = await dial()
    agent.sayAnything({ type: 'hello' })
    expect((await agent.ended).code).toBe(4400)
  })

  test('is closed if it changes what a field means without another version', async () => {
    const agent = await dial()
    agent.sayAnything(registration())
    await agent.told('registered')
    const closed = once(agent.socket, 'close')
    agent.sayAnything({ type: 'heartbeat', status: 'hibernating', activeSessions: 0 })
    expect((await closed)[0]).toBe(4400)
  })
})

describe('what a newer pod stored', () => {
  const put = (value: object): Promise<unknown> =>
    store.transact({ when: [], then: [{ put: keys.agent('local'), value: JSON.stringify(value) }] })
  const read = async (): Promise<unknown> => {
    const { found } = await store.get(keys.agent('local'))
    return JSON.parse(Buffer.from(found?.value ?? []).toString())
  }
  const agent = { schema: 1, approval: 'approved', registeredAt: '2026-01-01T00:00:00.000Z', quota: { sessions: [7] } }

  test('outlives what this one changes of it', async () => {
    await put(agent)
    const connected = await dial()
    connected.sayAnything(registration())
    await connected.told('registered')
    expect(await read()).toMatchObject({ region: 'local', quota: { sessions: [7] } })
    await new AgentRegistry(store).decide('local', 'rejected', 'the test')
    expect(await read()).toMatchObject({ approval: 'rejected', quota: { sessions: [7] } })
  })

  test('is not touched where it has another schema: whoever wants that is sent away', async () => {
    await put({ ...agent, schema: 2 })
    const connected = await dial()
    connected.sayAnything(registration())
    expect((await connected.ended).code).toBe(1011)
    await expect(new AgentRegistry(store).decide('local', 'rejected', 'the test')).rejects.toThrow(
      /expected schema 1, got 2/,
    )
    expect(await read()).toEqual({ ...agent, schema: 2 })
  })
})
