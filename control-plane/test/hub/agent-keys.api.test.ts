import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { authenticateAgents } from '../../src/hub/authenticate.ts'
import { Registrations } from '../../src/hub/registrations.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import { Agents } from '../../src/identity/agents.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'
import { startPod, type TestPod } from './test-pod.ts'

// Connections that were opened with real keys, and what becomes of them when the keys change.

let etcd: Etcd
let store: Store
let agentKeys: AgentKeys
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
  agentKeys = new AgentKeys(store)
})
afterAll(async () => {
  store.close()
  await etcd.close()
})

let pod: TestPod
beforeEach(async () => {
  await store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
  await new AgentRegistry(store).create('local', { approved: true, by: 'ada' })
  pod = await startPod({
    etcd,
    name: 'pod',
    authenticate: authenticateAgents({
      agents: new Agents({ keys: agentKeys }),
      isReady: () => true,
      addressOf: () => '127.0.0.1',
      log: recordedLog().log,
    }),
  })
})
afterEach(() => pod.close())

const fence = async () => (await store.get(keys.fence('local'))).found

describe('a key that is revoked between the handshake and the registration', () => {
  test('ends the connection, although it has not registered', async () => {
    const { keyId, key } = await agentKeys.create('local', { by: 'ada' })
    const agent = await pod.dial(key)
    await agentKeys.revoke('local', keyId)
    expect(await agent.ended).toEqual({ code: 4401, reason: 'the key was revoked' })
  })

  test('registers nobody, whether or not anybody was told of it', async () => {
    const { keyId, key } = await agentKeys.create('local', { by: 'ada' })
    const identity = await agentKeys.check(key)
    await agentKeys.revoke('local', keyId)
    expect(await registered(store, identity)).toMatchObject({ code: 4401, outcome: 'credentials' })
    expect(await fence()).toBeUndefined()
  })

  test('registers nobody where that happens while the registration is decided', async () => {
    const { keyId, key } = await agentKeys.create('local', { by: 'ada' })
    const identity = await agentKeys.check(key)
    let revoked = false
    const transact: Store['transact'] = async (transaction) => {
      if (transaction.when.length > 0 && !revoked) {
        revoked = true
        await agentKeys.revoke('local', keyId)
      }
      return await store.transact(transaction)
    }
    expect(await registered({ transact }, identity)).toMatchObject({ code: 4401, outcome: 'credentials' })
    expect(await fence()).toBeUndefined()
  })

  test('registers nobody where it has expired', async () => {
    const { key } = await agentKeys.create('local', { by: 'ada', expiresInSeconds: 60 })
    const identity = await agentKeys.check(key)
    const now = (): Date => new Date(Date.now() + 61_000)
    expect(await registered(store, identity, now)).toMatchObject({ code: 4401, outcome: 'credentials' })
  })
})

describe('a key that is rotated', () => {
  test('ends its connection when the overlap is over, after the agent was asked to come with the new one', async () => {
    const { key } = await agentKeys.create('local', { by: 'ada' })
    const agent = await pod.register({}, key)
    await agent.told('registered')
    const rotatedMs = Date.now()
    await agentKeys.rotate('local', { by: 'ada', overlapSeconds: 2 })
    await agent.told('move')
    expect(await agent.ended).toEqual({ code: 4401, reason: 'the credentials have expired' })
    expect(Date.now() - rotatedMs).toBeGreaterThanOrEqual(1_990)
  })

  test('ends the connection of an agent that was registering meanwhile as well', async () => {
    const { key } = await agentKeys.create('local', { by: 'ada' })
    const agent = await pod.dial(key)
    await agentKeys.rotate('local', { by: 'ada', overlapSeconds: 2 })
    agent.say(registration())
    await agent.told('registered')
    expect((await agent.ended).code).toBe(4401)
  })

  test('tells the registration when it ends, whether or not anybody was told of the rotation', async () => {
    const { key } = await agentKeys.create('local', { by: 'ada' })
    const identity = await agentKeys.check(key)
    await agentKeys.rotate('local', { by: 'ada', overlapSeconds: 60 })
    const [former] = (await agentKeys.list('local')).filter(({ keyId }) => keyId === identity.keyId)
    expect(await registered(store, identity)).toMatchObject({ keyExpiresAt: new Date(former?.expiresAt ?? '') })
  })
})

async function registered(through: Pick<Store, 'transact'>, identity: AgentIdentity, now?: () => Date) {
  const registrations = new Registrations({
    store: through,
    pod: { name: 'pod', uid: 'pod-uid' },
    ...(now !== undefined && { now }),
  })
  const lease = await store.lease(60)
  try {
    return await registrations.register(identity, registration(), 'connection', lease)
  } finally {
    await lease.revoke()
  }
}
