import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { probePath } from '@regent/contract/messages.ts'
import { CertificateAuthority, type IssuedCertificate } from '../../../agent/test/election/authority.ts'
import { podEnvironment as agentPodEnvironment } from '../../../agent/test/support/pod-environment.ts'
import { startProgram as startAgent } from '../../../agent/test/support/program.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'

// The program with certificates of agents, configured by nothing but variables and files, beside a real etcd. The agent
// of the last test is a real one too.

const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
const port = controlPlane.ports.agents.number
const servers = new CertificateAuthority()
const agents = new CertificateAuthority()
const strangers = new CertificateAuthority()
const seconds = (count: number): Date => new Date(Date.now() + count * 1000)

let etcd: Etcd
let store: Store
let registry: AgentRegistry
let pod: PodEnvironment
let program: Program
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
  registry = new AgentRegistry(store)
  for (const agentId of ['local', 'other', 'remote']) await registry.create(agentId, { approved: true, by: 'ada' })
  pod = podEnvironment({ ETCD_ENDPOINTS: etcd.endpoints.join(','), LISTEN_ADDRESS: address })
  const { certificate, key } = servers.issue({ addresses: [address] })
  program = startProgram(pod, {
    LISTEN_ADDRESS: address,
    PUBLIC_URL: `https://${address}:8000`,
    TLS_CERTIFICATE_FILE: written(pod.folder, 'tls.crt', certificate),
    TLS_KEY_FILE: written(pod.folder, 'tls.key', key),
    AGENT_CA_FILE: written(pod.folder, 'agent-ca.crt', agents.certificate),
  })
  await program.said('started')
  await waitFor(
    'agents may register',
    async () => (await probe(agents.issue({ commonName: 'agent:local' }))).status === 204,
  )
})
afterAll(async () => {
  program.child.kill('SIGKILL')
  await program.ended
  pod.remove()
  store.close()
  await etcd.close()
})

function written(folder: string, name: string, content: string): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

const shown = (own?: IssuedCertificate) => ({
  ca: servers.certificate,
  ...(own !== undefined && { cert: own.certificate, key: own.key }),
})

/** What an agent is answered that asks whether it could connect. */
async function probe(own?: IssuedCertificate, bearer?: string): Promise<{ status: number | undefined; words: string }> {
  const headers = { connection: 'close', ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) }
  const sent = request({ host: address, port, path: probePath, agent: false, headers, ...shown(own) })
  sent.end()
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  return { status: response.statusCode, words: await text(response) }
}

const dial = (own: IssuedCertificate): Promise<RecordedAgent> =>
  new RecordedAgent(port, undefined, address, shown(own)).open()

async function registered(own: IssuedCertificate, agentId: string): Promise<RecordedAgent> {
  const agent = await dial(own)
  agent.say(registration({ agentId }))
  await agent.told('registered')
  return agent
}

describe('a certificate of the authority of agents', () => {
  test('lets its agent register, once it is approved', async () => {
    const agent = await registered(agents.issue({ commonName: 'agent:local' }), 'local')
    expect(await program.said('agent-registered', ({ agent: id }) => id === 'local')).toMatchObject({
      by: 'certificate',
    })
    agent.socket.close(1000)
    const stranger = await dial(agents.issue({ commonName: 'agent:unheard-of' }))
    stranger.say(registration({ agentId: 'unheard-of' }))
    expect((await stranger.ended).code).toBe(4403)
  })

  test('lets nobody register as another agent', async () => {
    const agent = await dial(agents.issue({ commonName: 'agent:other' }))
    agent.say(registration({ agentId: 'local' }))
    expect((await agent.ended).code).toBe(4401)
  })

  test('ends the connection that it opened when it expires', async () => {
    const agent = await registered(agents.issue({ commonName: 'agent:other', until: seconds(6) }), 'other')
    expect(await agent.ended).toEqual({ code: 4401, reason: 'the credentials have expired' })
  })

  test('lets an agent that was rejected in no more, nor keep its connection', async () => {
    const certificate = agents.issue({ commonName: 'agent:other' })
    const agent = await registered(certificate, 'other')
    await registry.decide('other', 'rejected', 'ada')
    expect((await agent.ended).code).toBe(4403)
    const again = await dial(certificate)
    again.say(registration({ agentId: 'other', epoch: '11' }))
    expect((await again.ended).code).toBe(4403)
  })
})

test.each<[string, () => IssuedCertificate | undefined, RegExp]>([
  [
    'of another authority',
    () => strangers.issue({ commonName: 'agent:local' }),
    /not by the authority that is trusted/,
  ],
  ['that its owner signed', () => new CertificateAuthority({ commonName: 'agent:local' }), /not by the authority/],
  [
    'that has expired',
    () => agents.issue({ commonName: 'agent:local', from: seconds(-60), until: seconds(-1) }),
    /has expired/,
  ],
  ['that is not valid yet', () => agents.issue({ commonName: 'agent:local', from: seconds(600) }), /not valid yet/],
  ['of somebody who is no agent', () => agents.issue({ commonName: 'local' }), /nobody who may call/],
  ['of the server', () => servers.issue({ commonName: 'agent:local' }), /not by the authority/],
  ['that is missing', () => undefined, /there are no credentials/],
])('a certificate %s is refused, and its owner is told why', async (_, own, why) => {
  expect(await probe(own())).toEqual({ status: 401, words: expect.stringMatching(why) as unknown })
})

test('an agent without a certificate, or with one of its own cluster, comes by what else it has', async () => {
  const { key } = await new AgentKeys(store).create('local', { by: 'ada' })
  expect((await probe(undefined, key)).status).toBe(204)
  expect((await probe(strangers.issue({ commonName: 'agent:other' }), key)).status).toBe(204)
  expect((await probe(strangers.issue({ commonName: 'agent:other' }), `${key}a`)).status).toBe(401)
})

/** Connects as before, if the server lets it, and says whether it did. */
async function resumes(own: IssuedCertificate, session?: Buffer): Promise<{ reused: boolean; session?: Buffer }> {
  const socket = connect({ host: address, port, ...shown(own), ...(session !== undefined && { session }) })
  let next: Buffer | undefined
  socket.on('session', (given) => (next = given))
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  socket.end(`GET ${probePath} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 204 /)
  return { reused, ...(next !== undefined && { session: next }) }
}

test('every connection is verified anew: none goes on where another one ended', async () => {
  const own = agents.issue({ commonName: 'agent:local' })
  const { session } = await resumes(own)
  expect((await resumes(own, session)).reused).toBe(false)
})

test('a real agent registers by its certificate, and the next connection is made with the next certificate, of the next authority', async () => {
  const environment = agentPodEnvironment()
  const write = ({ certificate, key }: IssuedCertificate) => ({
    CLIENT_CERTIFICATE_FILE: written(environment.folder, 'tls.crt', certificate),
    CLIENT_KEY_FILE: written(environment.folder, 'tls.key', key),
  })
  const first = agents.issue({ commonName: 'agent:remote' })
  const agent = startAgent(environment, {
    AGENT_ID: 'remote',
    CONTROL_PLANE_URL: `https://${address}:${port}`,
    CONTROL_PLANE_TOKEN_FILE: undefined,
    CONTROL_PLANE_CA_FILE: written(environment.folder, 'control-plane-ca.crt', servers.certificate),
    ...write(first),
  })
  try {
    await agent.said('link-registered')
    expect(await registry.read('remote')).toMatchObject({ health: 'online' })

    const next = new CertificateAuthority()
    written(pod.folder, 'agent-ca.crt', next.certificate)
    const renewed = next.issue({ commonName: 'agent:remote' })
    await waitFor('the next authority', async () => (await probe(renewed)).status === 204)
    expect((await probe(first)).status).toBe(401)
    write(renewed)
    const before = agent.lines.filter(({ event }) => event === 'link-registered').length
    await registry.resetFence('remote')
    await waitFor(
      'the next registration',
      () => agent.lines.filter(({ event }) => event === 'link-registered').length > before,
    )
    expect(agent.lines.filter(({ event }) => event === 'link-failed')).toEqual([])
  } finally {
    agent.child.kill('SIGKILL')
    await agent.ended
    environment.remove()
  }
}, 120_000)
