import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { identityOf, isRunning, signalProcess } from '../../../test/cluster/identity.ts'
import { kubectlJson } from '../../../test/cluster/kubectl.ts'
import {
  cutNetwork,
  drain,
  killKubelet,
  restoreNetwork,
  startKubelet,
  uncordon,
  waitForNode,
} from '../../../test/cluster/node-operations.ts'
import { removeEnvironments } from '../../../test/delivery/environment.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { type Leading, leaderOf, movesSince, nodeOf, podsOf, processOf, settled, successor } from './leadership.ts'
import { deadlySignals } from './deadly-signals.ts'
import { agentId, configure, namespace, restartAll, startLocalAgents } from './local-agents.ts'
import { linesOf } from './pod-words.ts'

/** Sends a signal to the leader's process, and returns when it was gone, in milliseconds since 1970. */
async function deathBy(signal: NodeJS.Signals, leader: Leading): Promise<number> {
  const found = identityOf(await processOf(agentId, leader))
  signalProcess(found, signal)
  await waitFor('end of the process', () => !isRunning(found), { seconds: 20, everyMilliseconds: 1 })
  return Date.now()
}

describe('leadership of the agents of local, on real nodes', () => {
  beforeAll(startLocalAgents, 900_000)
  afterAll(removeEnvironments)

  test('is told on the Lease and by an Event', async () => {
    const leader = await settled(agentId, 2)
    expect(leader).toMatchObject({ reason: 'first', takeovers: [{ epoch: String(leader.epoch), reason: 'first' }] })
    await waitFor('its Event, which comes a second later', async () => {
      const { items } = await kubectlJson<{ items: { note: string }[] }>([
        'get',
        'events.events.k8s.io',
        '-n',
        namespace,
        '--field-selector=reason=LeaderElected',
      ])
      return items.some(({ note }) => note.includes(String(leader.epoch)))
    })
  })

  test('moves once in a rolling update of all replicas', async () => {
    const before = await settled(agentId, 2)
    await restartAll()
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

  describe('when its leader ends by itself', () => {
    beforeAll(() => configure('NODE_OPTIONS', deadlySignals()), 240_000)
    afterAll(() => configure('NODE_OPTIONS', undefined), 240_000)

    test.each([
      { how: 'is killed by the kernel, because its memory is used up', signal: 'SIGUSR2', reason: 'OOMKilled' },
      { how: 'crashes by an exception that nobody catches', signal: 'SIGHUP', reason: 'Error' },
    ] as const)('moves by its connection: it $how', async ({ signal, reason }) => {
      const before = await settled(agentId, 2)
      const diedAtMs = await deathBy(signal, before)
      const after = await successor(agentId, before)
      expect(movesSince(before, after)).toEqual([expect.objectContaining({ reason: 'peer-evidence' })])
      expect(after.pod).not.toBe(before.pod)
      const leads = (await linesOf(after.pod)).find(({ event }) => event === 'leading')
      const tookMs = (leads?.atMs ?? NaN) - diedAtMs
      const { acquired } = movesSince(before, after)[0]?.phases ?? {}
      // The kernel closes a connection before it has cleared all of a process away: then the first number is negative.
      console.log(
        `${reason}: another led ${tookMs} ms after the process was gone, acquired ${acquired} ms after its sign`,
      )
      // Less than a Lease by far; the figure is the bench's.
      expect(tookMs).toBeLessThan(3000)
      // That it died of what it should die of.
      const isReported = async (): Promise<boolean> =>
        (await podsOf(agentId)).some(({ metadata, status }) => {
          const { lastState, restartCount = 0 } = status.containerStatuses?.[0] ?? {}
          return metadata.name === before.pod && restartCount > 0 && lastState?.terminated?.reason === reason
        })
      await waitFor(`the kubelet to report ${reason}`, isReported, { seconds: 60 })
      expect((await settled(agentId, 2)).epoch).toBe(after.epoch)
    })
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
    // The report is earlier than the restarted container, which has to start first.
    expect(movesSince(before, after)).toEqual([expect.objectContaining({ reason: 'pod-evidence' })])
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
