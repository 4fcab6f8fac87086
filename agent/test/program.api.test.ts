import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { auditEvents } from '../../test/cluster/audit-log.ts'
import { kubectlJson, mustKubectl } from '../../test/cluster/kubectl.ts'
import { cluster } from '../../test/cluster/state.ts'
import { waitFor } from '../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../test/delivery/environment.ts'
import { type AgentPod, agentPods } from './support/agent-pods.ts'
import { podEnvironment } from './support/pod-environment.ts'
import { type Program, startProgram } from './support/program.ts'

// The program with its own election, its own permissions and a real API server. What it does under faults is in
// faults/; this is about what it is.

const system = 'regent-system'
const account = 'regent-agent-local'
const environment = podEnvironment()
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

/** Starts the agent as one of the pods. */
function started(index: number): Program {
  const pod = pods[index]
  if (pod === undefined) throw new Error(`no pod ${index}`)
  const program = startProgram(environment, {
    ENABLE_HA: 'true',
    REPLICAS: '3',
    POD_NAME: pod.name,
    POD_UID: pod.uid,
    KUBERNETES_SERVICE_HOST: pod.api.host,
    KUBERNETES_SERVICE_PORT: String(pod.api.port),
    KUBERNETES_TOKEN_FILE: pod.api.tokenFile,
    KUBERNETES_CA_FILE: pod.api.caFile,
  })
  programs.push(program)
  return program
}

/** Waits until the program is ready, and returns what it says about it. */
const ready = ({ get }: Program): Promise<string> =>
  waitFor('readiness', async () => {
    const response = await get('/readyz?verbose')
    return response.status === 200 && response.text()
  })
interface Lease {
  readonly spec: { readonly holderIdentity?: string }
}
const lease = (): Promise<Lease> => kubectlJson<Lease>(['get', 'lease', account, '-n', system])

test('one leads and the other is ready; a stop hands over, without waiting for the Lease to run out, and ends with 0', async () => {
  const first = started(0)
  await first.said('leading')
  await ready(first)
  const second = started(1)
  expect(await ready(second)).toContain(`[+] staying: this replica is a standby`)
  first.child.kill('SIGTERM')
  // How long it takes is measured elsewhere.
  expect(await second.said('leading')).toMatchObject({ reason: 'released' })
  expect(await first.ended).toEqual({ code: 0, complaints: '' })
  expect(first.lines.at(-1)).toMatchObject({ event: 'stopped' })
  second.child.kill('SIGTERM')
  expect((await second.ended).code).toBe(0)
  expect((await lease()).spec.holderIdentity ?? '').toBe('')
})

test('its leadership is in the metrics, and in what `kubectl describe lease` shows', async () => {
  const program = started(0)
  const { epoch } = await program.said('leading')
  const metrics = await (await program.get('/metrics')).text()
  expect(metrics).toContain('regent_agent_is_leader{agent="local"} 1')
  expect(metrics).toContain(`regent_agent_epoch{agent="local"} ${String(epoch)}`)
  await waitFor('the Event', async () =>
    (await mustKubectl(['describe', 'lease', account, '-n', system])).includes(`leads with epoch ${String(epoch)}`),
  )
  program.child.kill('SIGTERM')
  expect((await program.ended).code).toBe(0)
})

// What the records of a foreign cluster say cannot be read.
const testWithAuditLog = cluster().auditLog === undefined ? test.skip : test
testWithAuditLog('it is allowed all that it asks for, and asks for nothing that it does not declare', async () => {
  // Other tests ask as this ServiceAccount for what they are refused.
  const before = new Set((await auditEvents(system, account)).map(({ auditID }) => auditID))
  const program = started(2)
  await program.said('leading')
  const events = async () => (await auditEvents(system, account)).filter(({ auditID }) => !before.has(auditID))
  await waitFor('the Event', async () =>
    (await events()).some(({ verb, objectRef }) => verb === 'create' && objectRef?.resource === 'events'),
  )
  program.child.kill('SIGTERM')
  await program.ended
  const declared = new Set(
    agent.access.flatMap(({ group, resource, verbs }) => verbs.map((verb) => `${verb} ${resource}.${group}`)),
  )
  const seen = await events()
  const asked = new Set(
    seen.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource ?? ''}.${objectRef?.apiGroup ?? ''}`),
  )
  expect([...asked].filter((access) => !declared.has(access))).toEqual([])
  expect(asked).toContain('update leases.coordination.k8s.io')
  expect(asked).toContain('create events.events.k8s.io')
  expect(seen.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([])
})
