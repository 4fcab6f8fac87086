import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { randomInt } from 'node:crypto'
import { cluster } from '../../test/cluster/state.ts'
import { waitFor } from '../../test/cluster/wait-for.ts'
import { type Ended, regent } from '../../test/cli/program.ts'
import { applyEnvironment, removeEnvironments } from '../../test/delivery/environment.ts'
import type { AgentLeadership } from '../../cli/agent-leadership.ts'
import { type AgentPod, agentPods } from './support/agent-pods.ts'
import { podEnvironment } from './support/pod-environment.ts'
import { type Program, startProgram } from './support/program.ts'

// The commands for people, as people run them, against agents that really lead on a real API server.

const environment = podEnvironment()
const network = `127.${randomInt(2, 255)}.${randomInt(1, 255)}`
let pods: readonly AgentPod[] = []
const programs: Program[] = []

beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  pods = await agentPods(environment.folder)
})
afterEach(async () => {
  for (const { child, ended } of programs.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(async () => {
  environment.remove()
  await removeEnvironments()
})

/** Starts the agent as one of the pods, at an address at which the others reach it. */
function started(pod: AgentPod, index: number): Program {
  const address = `${network}.${index + 1}`
  const program = startProgram(environment, {
    ENABLE_HA: 'true',
    REPLICAS: String(pods.length),
    POD_NAME: pod.name,
    POD_UID: pod.uid,
    POD_IP: address,
    LISTEN_ADDRESS: address,
    NODE_NAME: `node-of-${pod.name}`,
    KUBERNETES_SERVICE_HOST: pod.api.host,
    KUBERNETES_SERVICE_PORT: String(pod.api.port),
    KUBERNETES_TOKEN_FILE: pod.api.tokenFile,
    KUBERNETES_CA_FILE: pod.api.caFile,
  })
  programs.push(program)
  return program
}

const command = (...args: readonly string[]): Promise<Ended> => regent([...args, '--kubeconfig', cluster().kubeconfig])

/** What `regent status local --json` says. */
async function status(): Promise<{ readonly code: number | null; readonly said: AgentLeadership & { zone: unknown } }> {
  const { code, stdout, stderr } = await command('status', 'local', '--json')
  expect(stderr).toBe('')
  const [said, ...others] = JSON.parse(stdout) as (AgentLeadership & { zone: unknown })[]
  if (said === undefined || others.length > 0) throw new Error(`expected one agent, got ${stdout}`)
  return { code, said }
}

/** Starts all replicas, and waits until the status shows a leader whose standbys are ready. */
async function settled(): Promise<AgentLeadership & { zone: unknown }> {
  pods.forEach(started)
  return waitFor('a leader with two ready standbys', async () => {
    const { code, said } = await status()
    return code === 0 && said.epoch !== null && said.standbys?.filter(({ ready }) => ready).length === 2 && said
  })
}

test('status shows who leads, since when and why, and step-down hands over to a ready standby', async () => {
  const empty = await status()
  expect(empty).toMatchObject({ code: 1, said: { leader: null, obstacle: 'no replica has led yet' } })

  const beganAt = Date.now()
  const first = await settled()
  const names = pods.map(({ name }) => name)
  expect(names).toContain(first.leader)
  expect(first).toMatchObject({
    agent: 'local',
    obstacle: null,
    node: `node-of-${first.leader ?? ''}`,
    zone: null,
    reason: 'first',
    durationSeconds: 6,
    cordoned: [],
    takeovers: [{ epoch: first.epoch, reason: 'first', at: first.since }],
  })
  expect(first.standbys?.map(({ pod }) => pod).toSorted()).toEqual(names.filter((name) => name !== first.leader).sort())
  expect(Math.abs(Date.parse(first.since ?? '') - beganAt)).toBeLessThan(60_000)
  expect(first.ageSeconds).toBeLessThan(6)
  const leading = programs[pods.findIndex(({ name }) => name === first.leader)]
  expect(await leading?.said('leading')).toMatchObject({ epoch: first.epoch })

  const handedOver = await command('step-down', 'local')
  expect(handedOver).toMatchObject({ code: 0, stderr: '' })
  const second = (await status()).said
  expect(names).toContain(second.leader)
  expect(second.leader).not.toBe(first.leader)
  expect(handedOver.stdout).toContain(second.leader)
  expect(handedOver.stdout).toContain(second.epoch)
  expect(second).toMatchObject({
    node: `node-of-${second.leader ?? ''}`,
    reason: 'step-down',
    takeovers: [
      { epoch: second.epoch, reason: 'step-down', from: expect.stringContaining(first.leader ?? '') as unknown },
      { epoch: first.epoch, reason: 'first' },
    ],
  })
  expect(BigInt(second.epoch ?? 0)).toBeGreaterThan(BigInt(first.epoch ?? 0))
  expect(Date.parse(second.since ?? '')).toBeGreaterThan(Date.parse(first.since ?? ''))
  // Who handed over lives, and stands by: nobody was restarted for it.
  const standsBy = async (): Promise<boolean> =>
    (await status()).said.standbys?.some(({ pod, ready }) => pod === first.leader && ready) ?? false
  await waitFor('the former leader to stand by', standsBy, { seconds: 20 })
  expect(programs.map(({ child }) => child.exitCode)).toEqual([null, null, null])

  const page = await command('status', 'local')
  expect(page).toMatchObject({ code: 0, stderr: '' })
  expect(page.stdout).toMatch(new RegExp(`^leader +${second.leader ?? ''}$`, 'm'))
  expect(page.stdout).toMatch(/^why +a person told the leader to hand over \(step-down\)$/m)
})

test('a leader without a ready standby is asked only with --force, and status says when all have gone', async () => {
  const [only] = pods
  if (only === undefined) throw new Error('no pod')
  const alone = started(only, 0)
  await alone.said('leading')
  await waitFor('the epoch on the Lease', async () => (await status()).said.epoch !== null)
  expect(await command('step-down', 'local')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no standby of agent 'local' is ready (it has none)") as unknown,
  })
  expect((await status()).said.leader).toBe(only.name)
  alone.child.kill('SIGTERM')
  expect((await alone.ended).code).toBe(0)
  expect(await status()).toMatchObject({
    code: 1,
    said: { leader: null, obstacle: `${only.name} gave the Lease back, and nobody has taken it` },
  })
})
