import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { auditEvents } from '../../../test/cluster/audit-log.ts'
import { apply, mustKubectl } from '../../../test/cluster/kubectl.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { agent } from '@regent/contract/agent.ts'
import { clusterView } from '../../src/control-link/describe/cluster-view.ts'
import { describeAction } from '../../src/control-link/describe/describe.ts'
import { mostNames } from '../../src/control-link/describe/view.ts'
import { type AgentPod, agentPods } from '../support/agent-pods.ts'
import { command } from './command.ts'
import { endAll, linked } from './linked.ts'

const [system, sessions, account] = ['regent-system', 'regent-sessions', 'regent-agent-local']
const folder = mkdtempSync(join(tmpdir(), 'regent-describe-'))
let pods: readonly AgentPod[] = []

beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  pods = await agentPods(folder)
})
afterEach(endAll)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await removeEnvironments()
})

const pod = (): AgentPod => {
  const [found] = pods
  if (found === undefined) throw new Error('the agent has no pod')
  return found
}

/** What `describe` gives to a control plane, as the leader sees it in this namespace. */
async function described(namespace = sessions): Promise<unknown> {
  const action = describeAction(
    {
      agentId: 'local',
      region: 'local',
      podName: pod().name,
      podNamespace: system,
      nodeName: 'node-0',
      sessionNamespace: namespace,
      maxSessions: 10,
      maxCpu: '4',
      maxMemory: '8Gi',
    },
    () => Promise.resolve(clusterView(pod().api, namespace)),
  )
  const { plane, lead } = await linked({ actions: [action] })
  lead()
  const peer = await plane.nextRegistered()
  peer.say(command('c-1', { action: 'describe', payload: {} }))
  return (await peer.next('done')).result
}

test('the leader describes its cluster with the permissions that its ServiceAccount has', async () => {
  const names = ['one', 'two']
  for (const name of names) {
    await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: sessions },
      spec: { ports: [{ port: 80 }] },
    })
  }
  const before = new Set((await auditEvents(system, account).catch(() => [])).map(({ auditID }) => auditID))
  expect(await described()).toEqual({
    agent: { id: 'local', region: 'local', pod: pod().name, namespace: system, node: 'node-0' },
    leadership: expect.objectContaining({ epoch: '42', reason: 'expired' }) as unknown,
    kubernetes: { version: expect.stringMatching(/^v1\.\d+\.\d+/) as unknown },
    capacity: { maxSessions: 10, maxCpu: '4', maxMemory: '8Gi' },
    sessions: {
      namespace: sessions,
      quotas: [
        {
          name: 'regent-quota',
          hard: expect.objectContaining({ pods: '10', 'requests.memory': '8Gi' }) as unknown,
          used: expect.objectContaining({ pods: '0', services: '2' }) as unknown,
        },
      ],
      deployments: { count: 0, names: [] },
      services: { count: 2, names },
      persistentVolumeClaims: { count: 0, names: [] },
    },
  })
  await mustKubectl(['delete', 'service', ...names, '-n', sessions])
  if (cluster().auditLog === undefined) return
  const asked = (await auditEvents(system, account)).filter(({ auditID }) => !before.has(auditID))
  const declared = new Set(
    agent.access
      .filter((access) => access.in === 'sessions')
      .flatMap(({ group, resource, verbs }) => verbs.map((verb) => `${verb} ${resource}.${group}`)),
  )
  // What it asks of no object is the version, which Kubernetes tells everybody.
  const ofObjects = asked.filter(({ objectRef }) => objectRef !== undefined)
  const used = ofObjects.map(
    ({ verb, objectRef }) => `${verb} ${objectRef?.resource ?? ''}.${objectRef?.apiGroup ?? ''}`,
  )
  expect(used.filter((access) => !declared.has(access))).toEqual([])
  expect(used).toContain('list resourcequotas.')
})

test('what it may not read it says in the place of it', async () => {
  const result = await described('default')
  expect(result).toMatchObject({
    kubernetes: { version: expect.stringMatching(/^v1/) as unknown },
    sessions: { quotas: { unreadable: expect.stringMatching(/^403: resourcequotas is forbidden/) as unknown } },
  })
})

test('of many objects it names the first, and counts all', async () => {
  await mustKubectl(['delete', 'resourcequota', '--all', '-n', sessions])
  const count = mostNames + 5
  await apply(
    Array.from({ length: count }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: `many-${index}`, namespace: sessions },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    })),
  )
  const result = await described()
  expect(result).toMatchObject({ sessions: { quotas: [], persistentVolumeClaims: { count } } })
  expect(result).toHaveProperty('sessions.persistentVolumeClaims.names.length', mostNames)
})

test('an API server that does not answer is worth another attempt', async () => {
  const view = clusterView({ ...pod().api, port: 9 }, sessions)
  await expect(view.version(AbortSignal.timeout(10_000))).rejects.toMatchObject({
    name: 'ActionFailed',
    retryable: true,
  })
})
