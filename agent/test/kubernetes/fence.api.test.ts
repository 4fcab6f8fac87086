import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { PatchStrategy, setHeaderOptions, V1ConfigMap } from '@kubernetes/client-node'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { apply, mustKubectl } from '../../../test/cluster/kubectl.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { Fenced, fencedWrite } from '../../src/kubernetes/fenced-write.ts'
import { LeaderRecord } from '../../src/leader-record/leader-record.ts'
import { leaseEvents } from '../../src/leader-record/lease-events.ts'
import { type AgentPod, agentPods } from '../support/agent-pods.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'

const system = 'regent-system'
const sessions = 'regent-sessions'
const lease = 'regent-agent-local'
const folder = mkdtempSync(join(tmpdir(), 'regent-fence-'))

let pods: readonly AgentPod[] = []
const pod = (index: number): AgentPod => {
  const found = pods[index]
  if (found === undefined) throw new Error(`no pod ${index}`)
  return found
}

class Counted {
  fenced = 0
  countFenced(): void {
    this.fenced += 1
  }
}

/** Makes a pod the holder of the Lease, at once and for everybody but the API server's own copies. */
const holds = (identity: string): Promise<string> =>
  apply({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: lease, namespace: system },
    spec: { holderIdentity: identity, leaseDurationSeconds: 6 },
  })
const established = (): ScriptedLeadership => new ScriptedLeadership(42n, new Date(Date.now() - 60_000))
const created = (by: AgentPod, name: string) => () =>
  by.core.createNamespacedConfigMap({
    namespace: sessions,
    body: Object.assign(new V1ConfigMap(), { metadata: { name }, data: { generation: '1' } }),
  })

/** Waits until the fence refuses a pod in these words: policies and Leases take a moment to be known everywhere. */
const refusedWith = (words: string): Promise<true> =>
  waitFor(`a refusal with '${words}'`, async () => {
    const error: unknown = await created(pod(0), 'early')().catch((thrown: unknown) => thrown)
    if (!(error instanceof Error)) await mustKubectl(['delete', 'configmap', 'early', '-n', sessions])
    return error instanceof Error && error.message.includes(words)
  })

// ValidatingAdmissionPolicies are served from 1.30 on; an environment for an older cluster has no fence.
const describeFence = cluster().release === 'oldest' ? describe.skip : describe

describeFence('writes of a leader in the Kubernetes API', () => {
  beforeAll(async () => {
    await removeEnvironments()
    await applyEnvironment('local')
    pods = await agentPods(folder)
    await refusedWith('fenced: ')
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await removeEnvironments()
  })

  test('are refused while there is no Lease, and counted', async () => {
    await mustKubectl(['delete', 'lease', lease, '-n', system])
    await refusedWith('no params found')
    const metrics = new Counted()
    await expect(fencedWrite(established(), metrics, created(pod(0), 'orphan'))).rejects.toThrow(Fenced)
    expect(metrics.fenced).toBe(1)
  })

  test('begin with the takeover: a new leader is let through, whatever the copy of the API server says', async () => {
    const metrics = new Counted()
    for (const [index, name] of ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'].entries()) {
      const leader = pod(index % 3)
      await holds(leader.identity)
      await fencedWrite(new ScriptedLeadership(BigInt(index)), metrics, created(leader, name))
    }
    expect(metrics.fenced).toBe(0)
  })

  test('of a former leader are refused, and counted', async () => {
    await holds(pod(1).identity)
    await fencedWrite(new ScriptedLeadership(), new Counted(), created(pod(1), 'of-the-new'))
    const metrics = new Counted()
    const thrown: unknown = await fencedWrite(established(), metrics, created(pod(0), 'late')).catch((e: unknown) => e)
    expect(thrown).toBeInstanceOf(Fenced)
    expect(String(thrown)).toContain(`fenced: the Lease ${lease} is held by ${pod(1).identity.split('_')[0] ?? ''}`)
    expect(metrics.fenced).toBe(1)
  })

  test('with a resourceVersion that is not the last are refused as a conflict, which is no fence', async () => {
    await holds(pod(0).identity)
    const metrics = new Counted()
    const { core } = pod(0)
    const { metadata } = await fencedWrite(new ScriptedLeadership(), metrics, created(pod(0), 'changed'))
    const change = (generation: string) => () =>
      core.patchNamespacedConfigMap(
        {
          namespace: sessions,
          name: 'changed',
          body: { metadata: { resourceVersion: metadata?.resourceVersion }, data: { generation } },
        },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      )
    await fencedWrite(new ScriptedLeadership(), metrics, change('2'))
    await expect(fencedWrite(new ScriptedLeadership(), metrics, change('3'))).rejects.toMatchObject({ code: 409 })
    expect(metrics.fenced).toBe(0)
  })

  test('a leadership is shown by `kubectl describe lease`', async () => {
    await holds(pod(2).identity)
    const log = recordedLog()
    const record = new LeaderRecord({
      leaseName: lease,
      leaseNamespace: system,
      connect: () => Promise.resolve(leaseEvents(pod(2).api, lease, system)),
      metrics: new Counted(),
      log: log.log,
      delayMilliseconds: 0,
    })
    for (const attempt of ['first', 'repeated']) {
      const leadership = new ScriptedLeadership(7n)
      const led = record.lead(leadership)
      await waitFor(`the ${attempt} record`, async () =>
        (await mustKubectl(['describe', 'lease', lease, '-n', system])).includes('LeaderElected'),
      )
      leadership.drain()
      await led
    }
    expect(log.events()).toEqual(['leader-event-written'])
    expect(await mustKubectl(['describe', 'lease', lease, '-n', system])).toMatch(
      /Normal +LeaderElected .* regent\.dev\/agent.* +regent-agent-local-0 leads with epoch 7: the leader did not renew/,
    )
  })
})
