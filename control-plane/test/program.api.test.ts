import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { probePath } from '@regent/contract/messages.ts'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { connection } from '../../test/cluster/api-request.ts'
import { mustKubectl } from '../../test/cluster/kubectl.ts'
import { tokenOf } from '../../test/cluster/service-account.ts'
import { waitFor } from '../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../test/delivery/environment.ts'
import { Etcd } from './support/etcd.ts'
import { type PodEnvironment, podEnvironment } from './support/pod-environment.ts'
import { type Program, startProgram } from './support/program.ts'
import { RecordedAgent, registration } from './support/recorded-agent.ts'

// The program with its own permissions, a real etcd and a real API server, as the manifests start it.

let etcd: Etcd
let pod: PodEnvironment
const programs: Program[] = []
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  etcd = await Etcd.start()
  const { server, authority } = await connection()
  pod = podEnvironment({
    ETCD_ENDPOINTS: etcd.endpoints.join(','),
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    ...(authority !== undefined && { KUBERNETES_CA_FILE: authority.file }),
    DRAIN_BUDGET_SECONDS: '5',
  })
  const own = await tokenOf('regent-system', 'regent-control-plane')
  writeFileSync(join(pod.folder, 'token'), own)
})
afterEach(async () => {
  for (const { child, ended } of programs.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(async () => {
  pod.remove()
  await etcd.close()
  await removeEnvironments()
})

function started(changes: Readonly<Record<string, string | undefined>> = {}): Program {
  const program = startProgram(pod, changes)
  programs.push(program)
  return program
}

async function ready(program: Program): Promise<void> {
  await program.said('started')
  const status = async (): Promise<number> => (await program.health('/readyz')).status
  await waitFor('readiness', async () => (await status()) === 200 || Promise.reject(new Error('not yet')))
}

const admin = (): Promise<string> =>
  mustKubectl(['create', 'token', 'regent-admin', '-n', 'regent-system', '--audience', controlPlaneAudience])

test('the first administrator comes by kubectl, an agent by its ServiceAccount, and a stop asks it to move', async () => {
  const program = started()
  await ready(program)
  const bearer = (await admin()).trim()
  const ask = async (path: string): Promise<unknown> =>
    (await program.api(path, { headers: { authorization: `Bearer ${bearer}` } })).json()
  expect(await ask('/api/v1/whoami')).toMatchObject({ role: 'admin', by: 'kubernetes' })

  const token = await tokenOf('regent-system', 'regent-agent-local', { audiences: [controlPlaneAudience] })
  const agent = await new RecordedAgent(controlPlane.ports.agents.number, token, program.address).open()
  agent.say(registration())
  await agent.told('registered')
  expect(await ask('/api/v1/agents/local')).toMatchObject({ agentId: 'local', approval: 'approved', health: 'online' })

  program.child.kill('SIGTERM')
  await agent.told('move')
  expect((await program.health('/readyz')).status).toBe(503)
  agent.socket.close(1000)
  expect(await program.ended).toEqual({ code: 0, complaints: '' })
  expect(program.lines.at(-1)).toMatchObject({ event: 'stopped' })
})

describe('a pod that is told to stop', () => {
  const registered = async (program: Program): Promise<RecordedAgent> => {
    const token = await tokenOf('regent-system', 'regent-agent-local', { audiences: [controlPlaneAudience] })
    const agent = await new RecordedAgent(controlPlane.ports.agents.number, token, program.address).open()
    agent.say(registration())
    await agent.told('registered')
    return agent
  }

  test.each(['without agents', 'with an agent that moves at once'])(
    'is not ready and answers all the same until endpoints have forgotten it, %s',
    async (which) => {
      const program = started({ DRAIN_BUDGET_SECONDS: '3' })
      await ready(program)
      const authorization = `Bearer ${(await admin()).trim()}`
      const agent = which === 'without agents' ? undefined : await registered(program)
      const beginMs = performance.now()
      program.child.kill('SIGTERM')
      await program.said('stopping')
      await agent?.told('move')
      agent?.socket.close(1000)
      while (performance.now() - beginMs < 2500) {
        const asked = [program.health('/readyz'), program.api('/api/v1/whoami', { headers: { authorization } })]
        const answers = await Promise.allSettled(asked)
        // The pod may have closed meanwhile: what came, or failed, says nothing.
        if (performance.now() - beginMs >= 3000) break
        expect(answers).toMatchObject([{ value: { status: 503 } }, { value: { status: 200 } }])
        // No more often than one caller may ask.
        await pause(25)
      }
      expect(await program.ended).toEqual({ code: 0, complaints: '' })
    },
  )

  test('ends in time with a request that does not, and with an agent that never moves', async () => {
    const program = started({ DRAIN_BUDGET_SECONDS: '1' })
    await ready(program)
    const agent = await registered(program)
    const slow = connect(controlPlane.ports.api.number, program.address)
    slow.on('error', () => undefined)
    await once(slow, 'connect')
    const head = ['POST /api/v1/agents HTTP/1.1', 'host: a', 'content-type: application/json', 'content-length: 9']
    slow.write(`${[...head, `authorization: Bearer ${(await admin()).trim()}`].join('\r\n')}\r\n\r\n{`)
    program.child.kill('SIGTERM')
    expect(await program.ended).toEqual({ code: 0, complaints: '' })
    expect(program.lines.at(-1)).toMatchObject({ event: 'stopped' })
    expect((await agent.ended).code).toBe(1001)
  })
})

test('an agent with a token for somebody else is refused, and the log says why', async () => {
  const program = started()
  await ready(program)
  const token = await tokenOf('regent-system', 'regent-agent-local')
  const agent = new RecordedAgent(controlPlane.ports.agents.number, token, program.address)
  expect((await agent.ended).code).toBe(1006)
  expect(await program.said('agent-unauthenticated')).toMatchObject({ reason: 'audience' })
})

test('behind a proxy that it trusts, the log tells who calls, and behind none who is connected', async () => {
  const headers = { authorization: 'Bearer wrong', 'x-forwarded-for': '203.0.113.9, 198.51.100.1' }
  const refusedBy = async (program: Program): Promise<readonly unknown[]> => {
    await ready(program)
    expect((await program.api('/api/v1/whoami', { headers })).status).toBe(401)
    const probe = `http://${program.address}:${controlPlane.ports.agents.number}${probePath}`
    expect((await fetch(probe, { headers: { ...headers, connection: 'close' } })).status).toBe(401)
    return [(await program.said('audit'))['address'], (await program.said('agent-unauthenticated'))['address']]
  }
  const trusting = await refusedBy(started({ TRUSTED_PROXIES: '127.0.0.0/8' }))
  expect(trusting).toEqual(['198.51.100.1', '198.51.100.1'])
  for (const address of await refusedBy(started())) expect(address).toMatch(/^127\./)
})

test('after everything has happened, exactly what the contract declares is exported', async () => {
  const program = started()
  await ready(program)
  const text = await (await program.health('/metrics')).text()
  const exported = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }))
  const ours = exported.filter(({ name }) => !/^(process|nodejs)_/.test(name ?? ''))
  expect(ours.sort(byName)).toEqual(
    Object.values(controlPlane.metrics)
      .map(({ name, type }) => ({ name, type }))
      .sort(byName),
  )
})

const byName = (one: { name?: string | undefined }, other: { name?: string | undefined }): number =>
  (one.name ?? '') < (other.name ?? '') ? -1 : 1

describe('etcd that is away', () => {
  test('makes the pod not ready and its answers 503, restarts nothing, and is over when it is back', async () => {
    const program = started()
    await ready(program)
    const bearer = (await admin()).trim()
    etcd.member.freeze()
    try {
      await waitFor(
        '503',
        async () => (await program.health('/readyz')).status === 503 || Promise.reject(new Error('yet')),
      )
      expect((await program.health('/livez')).status).toBe(200)
      expect(await (await program.health('/readyz')).text()).toContain('[-] etcd: ')
      const answer = await program.api('/api/v1/agents', { headers: { authorization: `Bearer ${bearer}` } })
      expect({ status: answer.status, retry: answer.headers.get('retry-after') }).toMatchObject({ status: 503 })
      expect(answer.headers.get('retry-after')).not.toBeNull()
    } finally {
      etcd.member.thaw()
    }
    await ready(program)
  })
})

test('fails if the configuration is wrong: with 2, and everything that is wrong at once', async () => {
  const { code, complaints } = await started({ ETCD_ENDPOINTS: undefined, REGION: 'Lo cal' }).ended
  expect(code).toBe(2)
  expect(complaints).toContain('ETCD_ENDPOINTS: expected')
  expect(complaints).toContain('REGION: expected')
})
