import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { importArchive } from '../../../test/cluster/images.ts'
import { kubectlJson, mustKubectl } from '../../../test/cluster/kubectl.ts'
import {
  cutNetwork,
  drain,
  killKubelet,
  restoreNetwork,
  startKubelet,
  uncordon,
  waitForNode,
} from '../../../test/cluster/node-operations.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { builtAgent } from '../image/built-agent.ts'
import { leaderOf, movesSince, nodeOf, podsOf, processOf, settled, successor } from './leadership.ts'

const agentId = 'local'
const deployment = 'deployment/regent-agent-local'
const namespace = 'regent-system'

const rollout = (): Promise<string> =>
  mustKubectl(['rollout', 'status', deployment, '-n', namespace, '--timeout=120s'], { seconds: 130 })

/** Changes a variable of the agents, and waits until all of them run with it. */
async function configure(name: string, value: string): Promise<void> {
  await mustKubectl(['set', 'env', deployment, '-n', namespace, `${name}=${value}`])
  await rollout()
}

describe('leadership of the agents of local, on real nodes', () => {
  beforeAll(async () => {
    const { archive } = await builtAgent()
    await removeEnvironments()
    await Promise.all(cluster().nodes.map((node) => importArchive(node, archive)))
    await applyEnvironment('local')
    await rollout()
  }, 900_000)
  afterAll(removeEnvironments)

  test('is told on the Lease and by an Event', async () => {
    const leader = await settled(agentId, 2)
    expect(leader).toMatchObject({ reason: 'first', takeovers: [{ epoch: String(leader.epoch), reason: 'first' }] })
    const { items } = await kubectlJson<{ items: { note: string; regarding: { kind: string } }[] }>([
      'get',
      'events.events.k8s.io',
      '-n',
      namespace,
      '--field-selector=reason=LeaderElected',
    ])
    expect(items.some(({ note }) => note.includes(String(leader.epoch)))).toBe(true)
  })

  test('moves once in a rolling update of all replicas', async () => {
    const before = await settled(agentId, 2)
    await mustKubectl(['rollout', 'restart', deployment, '-n', namespace])
    await rollout()
    const after = await settled(agentId, 2)
    expect(movesSince(before, after)).toEqual([expect.objectContaining({ reason: 'released' })])
  })

  test('moves within half a second after a leader was killed, by its connection', async () => {
    const before = await settled(agentId, 2)
    process.kill(await processOf(agentId, before), 'SIGKILL')
    const after = await successor(agentId, before)
    // Its own restarted container may be as quick as the standbys.
    expect(['peer-evidence', 'restarted']).toContain(after.reason)
    expect((await settled(agentId, 2)).epoch).toBe(after.epoch)
  })

  test('moves by the report of the ended container where connections are no evidence', async () => {
    await configure('PEER_EVIDENCE', 'false')
    const before = await settled(agentId, 2)
    // A leader knows its container only once the kubelet has reported it.
    const { metadata } = await kubectlJson<{ metadata: { annotations: Record<string, string> } }>([
      'get',
      'lease',
      'regent-agent-local',
      '-n',
      namespace,
    ])
    const pods = await podsOf(agentId)
    const leader = pods.find((pod) => pod.metadata.name === before.pod)
    expect(metadata.annotations[leaseAnnotations.container]).toBe(leader?.status.containerStatuses?.[0]?.containerID)
    process.kill(await processOf(agentId, before), 'SIGKILL')
    const after = await successor(agentId, before)
    expect(movesSince(before, after)).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/^(pod-evidence|restarted)$/) }),
    ])
    await configure('PEER_EVIDENCE', 'true')
  })

  test('moves once when the node of the leader is drained, and the budget lets it', async () => {
    const before = await settled(agentId, 2)
    const node = await nodeOf(agentId, before)
    const { exitCode, stderr } = await drain(node)
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
    const after = await settled(agentId, 2)
    await uncordon(node)
    expect(movesSince(before, after)).toEqual([expect.objectContaining({ reason: 'released' })])
  })

  test('stays where it is when the kubelet of its node dies', async () => {
    const before = await settled(agentId, 2)
    const node = await nodeOf(agentId, before)
    await killKubelet(node)
    // Longer than any lease: what could end this leadership would have.
    await pause(10_000)
    expect(await leaderOf(agentId)).toMatchObject({ pod: before.pod, epoch: before.epoch })
    startKubelet(node)
    await waitForNode(node, 'Ready')
  })

  test('moves by the Lease alone when its node is cut off, and there is one leader when it is back', async () => {
    const before = await settled(agentId, 2)
    const node = await nodeOf(agentId, before)
    await cutNetwork(node)
    const after = await successor(agentId, before).finally(() => restoreNetwork(node))
    expect(after.reason).toBe('expired')
    expect(after.pod).not.toBe(before.pod)
    await waitForNode(node, 'Ready')
    const healed = await settled(agentId, 2, 90)
    expect(healed.epoch).toBe(after.epoch)
  })
})
