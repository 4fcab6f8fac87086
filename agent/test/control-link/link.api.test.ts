import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { kubectlJson } from '../../../test/cluster/kubectl.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { type AgentPod, agentPods } from '../support/agent-pods.ts'
import { podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { command } from './command.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

// The link of real programs, with real elections and their own permissions.

const [system, account] = ['regent-system', 'regent-agent-local']
const environment = podEnvironment()
let pods: readonly AgentPod[] = []
let plane: ScriptedControlPlane

const programs: Program[] = []
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  pods = await agentPods(environment.folder)
  plane = await ScriptedControlPlane.start()
  plane.patienceMs = 60_000
  writeFileSync(`${environment.folder}/control-plane-token`, 'token-1')
})
afterEach(async () => {
  for (const { child, ended } of programs.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(async () => {
  await plane.stop()
  environment.remove()
  await removeEnvironments()
})

/** Starts the agent as one of the pods, reachable by the others. */
function started(index: number, url = plane.url): Program {
  const pod = pods[index]
  if (pod === undefined) throw new Error(`no pod ${index}`)
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const program = startProgram(environment, {
    ENABLE_HA: 'true',
    REPLICAS: '3',
    POD_NAME: pod.name,
    POD_UID: pod.uid,
    POD_IP: address,
    LISTEN_ADDRESS: address,
    CONTROL_PLANE_URL: url,
    LOG_LEVEL: 'debug',
    KUBERNETES_SERVICE_HOST: pod.api.host,
    KUBERNETES_SERVICE_PORT: String(pod.api.port),
    KUBERNETES_TOKEN_FILE: pod.api.tokenFile,
    KUBERNETES_CA_FILE: pod.api.caFile,
  })
  programs.push(program)
  return program
}

interface Lease {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly holderIdentity?: string }
}

/** Waits until a standby of this pod says on the Lease whether it is ready and reaches the control plane. */
const standby = (index: number, reaches: boolean): Promise<true> =>
  waitFor(`a standby that ${reaches ? 'reaches' : 'does not reach'} the control plane`, async () => {
    const { metadata } = await kubectlJson<Lease>(['get', 'lease', account, '-n', system])
    const standbys = metadata.annotations?.['regent.dev/standbys'] ?? ''
    const expected = { pod: pods[index]?.name, ready: true, reaches }
    return standbys.includes(JSON.stringify(expected))
  })

test('the leader alone is registered; a planned handover leaves in good order, a death does not, and the next registers', async () => {
  const first = started(0)
  const peer = await plane.nextRegistered()
  await first.said('link-registered')
  peer.say(command('c-1', { action: 'describe', payload: {} }))
  expect((await peer.next('done')).result).toMatchObject({
    agent: { id: 'local', pod: pods[0]?.name },
    sessions: { namespace: 'regent-sessions', deployments: { count: 0 } },
  })
  const second = started(1)
  await standby(1, true)
  expect(plane.attempts).toBe(1)

  first.child.kill('SIGTERM')
  expect(await peer.closed).toBe(1000)
  const next = await plane.nextPeer()
  expect((await next.next('register')).holder).toContain(pods[1]?.name)
  // How long it takes is measured elsewhere.
  expect(await second.said('leading')).toMatchObject({ reason: 'released' })
  expect((await first.ended).code).toBe(0)

  const third = started(2)
  await standby(2, true)
  second.child.kill('SIGKILL')
  expect(await next.closed).toBe(1006)
  const last = await plane.nextPeer()
  expect((await last.next('register')).holder).toContain(pods[2]?.name)
  expect(await third.said('leading')).toMatchObject({ reason: 'peer-evidence' })
  await third.said('link-registered')
  expect(plane.violations).toEqual([])
}, 180_000)

test('a leader that does not reach the control plane yields to a standby that does, and only to such a one', async () => {
  const nowhere = 'http://127.0.0.1:9'
  const leader = started(0, nowhere)
  await leader.said('leading')
  started(1, nowhere)
  await standby(1, false)
  // Longer than its patience: there is nobody who would do better.
  await leader.said('yielding')
  started(2)
  const peer = await plane.nextPeer()
  expect((await peer.next('register')).holder).toContain(pods[2]?.name)
  const { metadata } = await kubectlJson<Lease>(['get', 'lease', account, '-n', system])
  expect(metadata.annotations?.['regent.dev/reason']).toBe('yielded')
  // Ready all the time: a control plane that is away takes nobody out of service, and restarts nobody.
  expect(leader.lines.filter(({ event }) => event === 'leadership-ended')).toEqual([
    expect.objectContaining({ reason: 'yielded' }),
  ])
  expect(leader.child.exitCode).toBeNull()
  expect(plane.violations).toEqual([])
}, 180_000)
