import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { CommandResource } from '@regent/contract/api.ts'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { connection } from '../../../test/cluster/api-request.ts'
import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { type AccessProgram, etcdEnvironment, startAccessProgram } from '../support/access-program.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { type Bearer, type SecuredEtcd, securedEtcd } from '../support/secured-etcd.ts'

// Both programs as the manifests start them, a real etcd with TLS of three members, and a real API server.

let pod: PodEnvironment
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  const { server, authority } = await connection()
  pod = podEnvironment({
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    ...(authority !== undefined && { KUBERNETES_CA_FILE: authority.file }),
    DRAIN_BUDGET_SECONDS: '5',
  })
  writeFileSync(join(pod.folder, 'token'), await tokenOf('regent-system', 'regent-control-plane'))
})
afterAll(async () => {
  pod.remove()
  await removeEnvironments()
})

let secured: SecuredEtcd
let programs: (Program | AccessProgram)[]
beforeEach(async () => {
  programs = []
  secured = await securedEtcd({ members: 3 })
})
afterEach(async () => {
  for (const { child, ended } of programs) {
    child.kill('SIGKILL')
    await ended
  }
  await secured.close()
})

function startControlPlane(bearer: Bearer = 'controlPlane'): Program {
  const program = startProgram(pod, { ...etcdEnvironment(secured.etcd.endpoints, secured.tls(bearer)) })
  programs.push(program)
  return program
}

function startAccess(bearer: Bearer = 'root'): AccessProgram {
  const program = startAccessProgram(secured.etcd.endpoints, secured.tls(bearer))
  programs.push(program)
  return program
}

/** Waits until the program is ready, or is not and says these words. */
async function answers(program: Pick<Program, 'said' | 'health'>, status: 200 | 503, words = ''): Promise<void> {
  await program.said('started')
  await waitFor(`${status} of /readyz`, async () => {
    const answer = await program.health('/readyz')
    const text = await answer.text()
    return (answer.status === status && text.includes(words)) || Promise.reject(new Error(text))
  })
}

/** A person who gives commands to the agent `local`. */
async function person(program: Program): Promise<(method: string, path: string, body?: object) => Promise<Response>> {
  const token = await mustKubectl([
    ...['create', 'token', 'regent-admin', '-n', 'regent-system', '--audience', controlPlaneAudience],
  ])
  return (method, path, body) =>
    program.api(`/api/v1/agents/local${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token.trim()}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
}

async function registeredAgent(program: Program): Promise<RecordedAgent> {
  const token = await tokenOf('regent-system', 'regent-agent-local', { audiences: [controlPlaneAudience] })
  const agent = await new RecordedAgent(controlPlane.ports.agents.number, token, program.address).open()
  agent.say(registration())
  await agent.told('registered')
  return agent
}

/** Gives the agent a command, which it does. @returns how it ended */
async function done(ask: Awaited<ReturnType<typeof person>>, agent: RecordedAgent): Promise<string> {
  const made = (await (await ask('POST', '/commands', { action: 'describe' })).json()) as CommandResource
  const { commandId } = await agent.told('command', (message) => message.commandId === made.commandId)
  agent.say({ type: 'received', commandId })
  agent.say({ type: 'done', commandId, result: { seen: true } })
  await agent.told('stored', (message) => message.commandId === commandId)
  return ((await (await ask('GET', `/commands/${commandId}`)).json()) as CommandResource).state
}

test('a control plane works before users are set up, while they are, and after; so does one that starts then', async () => {
  const before = startControlPlane()
  await answers(before, 200)
  const agent = await registeredAgent(before)
  const ask = await person(before)
  expect(await done(ask, agent)).toBe('done')

  const access = startAccess()
  await answers(access, 200)
  expect(await secured.etcd.etcdctl('auth', 'status')).toContain('true')
  // A stranger is let in no more, so it is really on.
  const stranger = startControlPlane('stranger')
  await answers(stranger, 503, 'permission denied')

  expect(await done(ask, agent)).toBe('done')
  expect((await before.health('/readyz')).status).toBe(200)
  expect(agent.socket.readyState).toBe(agent.socket.OPEN)
  expect(before.lines.filter(({ level }) => level === 'error')).toEqual([])

  const after = startControlPlane()
  await answers(after, 200)
  expect(await (await (await person(after))('GET', '')).json()).toMatchObject({ agentId: 'local', health: 'online' })
  agent.socket.close(1000)
})

test('a control plane without its rights is not ready and says why, restarts nothing, and goes on when it has them', async () => {
  const first = startAccess()
  await answers(first, 200)
  first.child.kill('SIGTERM')
  expect((await first.ended).code).toBe(0)
  const program = startControlPlane()
  await answers(program, 200)
  const ask = await person(program)

  await secured.etcd.etcdctl('user', 'revoke-role', 'regent-control-plane', 'regent-control-plane')
  const words = 'regent-consensus-access gives that user its rights'
  await answers(program, 503, words)
  expect((await program.health('/livez')).status).toBe(200)
  const refused = await ask('GET', '')
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).not.toBeNull()
  expect(await refused.json()).toMatchObject({ detail: expect.stringContaining('does not let this control plane in') })

  const another = startControlPlane()
  await answers(another, 503, words)
  const { error } = await another.said('presence-unwritten')
  expect(JSON.stringify(error)).toContain(words)

  const second = startAccess()
  await answers(second, 200)
  expect(await second.said('access-changed')).toMatchObject({ kind: 'grant-role' })
  await answers(program, 200)
  await answers(another, 200)
  const agent = await registeredAgent(another)
  expect(await done(await person(another), agent)).toBe('done')
  agent.socket.close(1000)
})

test('whoever is not root sets up nothing: it is not ready, says what is missing, and etcd is as it was', async () => {
  const access = startAccess('controlPlane')
  await answers(access, 503, "expected a certificate with the common name 'root'")
  expect((await access.health('/livez')).status).toBe(200)
  await access.said('access-unknown')
  expect(await secured.etcd.etcdctl('auth', 'status')).toContain('false')
  expect(await secured.etcd.etcdctl('user', 'list')).toBe('')
})

test('waits for an etcd that is not there yet, and exports what the contract declares', async () => {
  for (const member of secured.etcd.members) await member.kill()
  const access = startAccess()
  await answers(access, 503, 'etcd cannot be reached')
  for (const member of secured.etcd.members) member.start()
  await answers(access, 200)
  const text = await (await access.health('/metrics')).text()
  for (const { name, type } of Object.values(consensusAccess.metrics)) expect(text).toContain(`# TYPE ${name} ${type}`)
  expect(text).toContain(`${consensusAccess.metrics.asDeclared.name} 1`)
  expect(text).toContain(`${consensusAccess.metrics.changes.name}{kind="enable"} 1`)
})

test('fails if it is configured without TLS, or without files', async () => {
  const { certificateFile } = secured.tls('root')
  const plain = startAccessProgram(['http://127.0.0.1:2379'], {
    caFile: certificateFile,
    certificateFile,
    keyFile: '/nowhere',
  })
  programs.push(plain)
  const { code, complaints } = await plain.ended
  expect(code).toBe(2)
  expect(complaints).toContain('ETCD_ENDPOINTS: expected https URLs')
  expect(complaints).toContain('ETCD_KEY_FILE: expected a file')
})
