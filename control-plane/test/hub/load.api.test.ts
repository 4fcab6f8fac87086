import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { closeCodes, connectPath, pingIntervalSeconds, subprotocol } from '@regent/contract/messages.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { Proxy } from '../../../agent/test/faults/proxy.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { AgentsServer } from '../../src/hub/agents-server.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'

// One pod with thousands of agents, among them some that do not behave: the others must not notice.

const idle = 2000
/** So many of them connect at once. */
const atOnce = 50
/** A peer that answers no ping is given up within this time; so much must those that answer outlast. */
const pingsMs = 4 * pingIntervalSeconds * 1000

let etcd: Etcd
let store: Store
let hub: Hub
let server: AgentsServer<AgentIdentity>
let port: number
const agents: RecordedAgent[] = []
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
  hub = new Hub({
    store,
    pod: { name: 'loaded', uid: 'loaded-uid' },
    heartbeatIntervalSeconds: 30,
    staleAfterSeconds: 60,
    openQueue: () => ({
      waiting: 0,
      start: () => undefined,
      pause: () => undefined,
      received: () => undefined,
      finish: () => Promise.resolve('stored' as const),
      close: () => Promise.resolve(),
    }),
    events: { onRegistration: () => undefined, onFenced: () => undefined },
    log: recordedLog('error').log,
  })
  hub.start()
  server = new AgentsServer<AgentIdentity>({
    address: '127.0.0.1',
    port: 0,
    mostConnections: 2 * idle,
    authenticate: ({ headers: { authorization = '' } }) =>
      Promise.resolve({ identity: { agentId: authorization.slice('Bearer '.length), by: 'serviceAccount' } }),
    onAgent: (socket, identity) => hub.accept(socket, identity),
  })
  port = await server.listen()
  await waitFor('lease of the pod', () => hub.isReady, { seconds: 20, everyMilliseconds: 20 })
  const ids = Array.from({ length: idle }, (_, index) => `idle-${index}`).values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const agentId of ids) agents.push(await registered(agentId))
    }),
  )
}, 120_000)
afterAll(async () => {
  await hub.close()
  await server.close()
  store.close()
  await etcd.close()
})

async function registered(agentId: string, to = port): Promise<RecordedAgent> {
  const agent = await new RecordedAgent(to, agentId).open()
  agent.say(registration({ agentId }))
  await agent.told('registered')
  return agent
}

/** A result of an agent is stored and acknowledged. */
async function isServed(agent: RecordedAgent, commandId: string): Promise<void> {
  agent.say({ type: 'done', commandId, result: null })
  await agent.told('stored', (message) => message.commandId === commandId)
}

test('thousands that idle stay over many pings; one that vanished without a word is given up meanwhile', async () => {
  const proxy = await Proxy.listen({ host: '127.0.0.1', port })
  await registered('vanishes', proxy.port)
  expect(hub.connections).toBe(idle + 1)
  await proxy.set('freeze')
  await pause(pingsMs)
  for (const agent of agents) agent.say({ type: 'heartbeat', status: 'online', activeSessions: 0 })
  await waitFor('the end of the one', () => hub.connections === idle, { seconds: 30, everyMilliseconds: 50 })
  expect(agents.filter(({ socket }) => socket.readyState !== 1)).toEqual([])
  await waitFor('all well', () => hub.health.online === idle && hub.health.stale === 0, {
    seconds: 30,
    everyMilliseconds: 50,
  })
  await proxy.close()
}, 60_000)

test('a first message that trickles in is no registration in time, and holds up nobody', async () => {
  const socket = connect({ host: '127.0.0.1', port })
  const received: Buffer[] = []
  socket.on('data', (data: Buffer) => received.push(data))
  // It may be cut off in the middle of what it sends.
  socket.on('error', () => undefined)
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const head = [
    `GET ${connectPath} HTTP/1.1`,
    'host: pod',
    'authorization: Bearer trickles',
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
    `sec-websocket-protocol: ${subprotocol}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await waitFor('the upgrade', () => Buffer.concat(received).includes('101 '), { seconds: 20, everyMilliseconds: 20 })
  // A masked text frame of 125 bytes, of which one comes now and then.
  socket.write(Buffer.from([0x81, 0x80 | 125, 0, 0, 0, 0]))
  const trickle = setInterval(() => socket.write('{'), 200)
  await isServed(agents[0] ?? (await registered('other')), 'beside-a-trickle')
  const code = Buffer.alloc(2)
  code.writeUInt16BE(closeCodes.registrationTimeout)
  await waitFor('the close', () => Buffer.concat(received).includes(code), { seconds: 30, everyMilliseconds: 50 })
  clearInterval(trickle)
  await ended
}, 60_000)

test('a flood of one agent is read, and the others are served meanwhile', async () => {
  const floods = await registered('floods')
  const flood = (async () => {
    for (let index = 0; index < 200; index += 1) {
      for (let each = 0; each < 100; each += 1) floods.say({ type: 'received', commandId: `${index}-${each}` })
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const others = agents.slice(0, 100)
  await Promise.all(others.map((agent, index) => isServed(agent, `beside-a-flood-${index}`)))
  await isServed(await registered('comes-meanwhile'), 'first')
  await flood
  await isServed(floods, 'after-its-flood')
}, 60_000)

test('all are asked to move when the pod stops, and those that do not are closed', async () => {
  await hub.drain(2)
  await hub.close()
  const codes = await Promise.all(agents.map(({ ended }) => ended.then(({ code }) => code)))
  expect(new Set(codes)).toEqual(new Set([1001]))
  expect(agents.filter(({ messages }) => messages.some(({ type }) => type === 'move')).length).toBeGreaterThan(0)
  await waitFor('the end of all', () => hub.connections === 0, { seconds: 30, everyMilliseconds: 50 })
}, 60_000)
