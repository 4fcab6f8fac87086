import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { electionProfiles } from '@regent/contract/election.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { apiRequest, type Refusal } from '../../../test/cluster/api-request.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { removeEnvironments } from '../../../test/delivery/environment.ts'
import { leaderOf, movesSince, podsOf, processOf, settled, successor, type Leading } from './leadership.ts'
import { agentId, namespace, startLocalAgents } from './local-agents.ts'
import { PacketFilter, type Verdict } from './packet-filter.ts'
import { linesOf, saysToLead } from './pod-words.ts'

const { leaseDurationSeconds, retryPeriodSeconds } = electionProfiles.fast
const leaseMs = leaseDurationSeconds * 1000
/** A connection on which nobody says anything is tried for the first time after so long, and given up so much later. */
const keepAliveMs = 5000
const givenUpMs = 10_000
/** What a busy machine may add to what is said in renew periods. */
const noiseMs = 2500

/** Lets the kernel of the leader's pod do something to its peer port, and undoes it however it ends. */
async function filtered(
  leader: Leading,
  verdict: Verdict,
  during: (filter: PacketFilter) => Promise<void>,
): Promise<void> {
  const filter = new PacketFilter(await processOf(agentId, leader), agent.ports.peer.number)
  try {
    await filter.set(verdict)
    await during(filter)
  } finally {
    await filter.remove()
  }
}

/** A token as the kubelet gives it to a pod of the agent. */
const tokenFor = ({ pod, podUid }: Leading): Promise<string> =>
  tokenOf(namespace, 'regent-agent-local', { pod: { name: pod, uid: podUid } })

/** An effect of a pod of the agent, in the namespace that the admission fence guards. */
const write = (token: string, name: string) =>
  apiRequest<Refusal>({
    method: 'POST',
    path: '/api/v1/namespaces/regent-sessions/configmaps',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { by: 'test' } },
    token,
  })

async function containersOf(): Promise<readonly (string | undefined)[]> {
  return (await podsOf(agentId)).map(({ status }) => status.containerStatuses?.[0]?.containerID).toSorted()
}

/** Expects of a filter that it fools nobody, for longer than a Lease and than a connection that says nothing lasts. */
async function foolsNobody(leader: Leading, forMs: number): Promise<void> {
  for (const end = performance.now() + forMs; performance.now() < end;) {
    expect(await leaderOf(agentId)).toMatchObject({ pod: leader.pod, epoch: leader.epoch })
    await pause(500)
  }
}

describe('evidence of the peers under the packet filter of the kernel, on real nodes', () => {
  beforeAll(startLocalAgents, 900_000)
  afterAll(removeEnvironments)

  // The kernel says nothing before somebody sends, so each time another moment of the renew period is met.
  test.each([1, 2, 3])('one that resets and refuses fools a standby briefly, and no fence (%i)', async (round) => {
    const former = await settled(agentId, 2)
    const containers = await containersOf()
    const token = await tokenFor(former)
    expect((await write(token, `by-the-former-${round}`)).status).toBe(201)
    await filtered(former, 'refuse', async () => {
      const next = await successor(agentId, former)
      expect(next.pod).not.toBe(former.pod)
      expect(next.transitions).toBe(former.transitions + 1)
      expect(movesSince(former, next)).toEqual([expect.objectContaining({ reason: 'peer-evidence' })])

      const begun = (await linesOf(next.pod)).find(({ event, epoch }) => {
        return event === 'leading' && epoch === String(next.epoch)
      })
      const ended = await waitFor('the former leader to end', async () =>
        (await linesOf(former.pod)).find(({ event, epoch }) => {
          return event === 'leadership-ended' && epoch === String(former.epoch)
        }),
      )
      expect(ended.reason).toBe('lost')
      const overlapMs = ended.atMs - (begun?.atMs ?? NaN)
      expect(overlapMs).toBeLessThan(retryPeriodSeconds * 1000 + noiseMs)
      console.log(`fooled by the packet filter: two believed to lead for ${overlapMs} ms`)

      const pods = (await podsOf(agentId)).map(({ metadata }) => metadata.name)
      const leaders = await Promise.all(pods.map(async (pod) => ((await saysToLead(pod)) ? [pod] : [])))
      expect(leaders.flat()).toEqual([next.pod])
      expect(await write(token, `by-the-former-again-${round}`)).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining(`fenced: the Lease regent-agent-local is held by ${next.pod}`) },
      })
      expect((await write(await tokenFor(next), `by-the-next-${round}`)).status).toBe(201)

      // The former leader competes again, and nobody was restarted for it.
      const again = await settled(agentId, 2)
      expect(again.epoch).toBe(next.epoch)
      expect(again.standbys).toContain(former.pod)
      expect(await containersOf()).toEqual(containers)
    })
  })

  test('one that cuts what stands and lets in what is new fools nobody', async () => {
    const leader = await settled(agentId, 2)
    const sinceMs = Date.now()
    await filtered(leader, 'cut', () => foolsNobody(leader, keepAliveMs + leaseMs))
    expect((await settled(agentId, 2)).epoch).toBe(leader.epoch)
    // The connections were cut, and the claims of death that came of it were refuted.
    const judged = (await Promise.all(leader.standbys.map(linesOf)))
      .flat()
      .filter(({ event, atMs }) => event === 'evidence-judged' && atMs > sinceMs)
    expect(judged.length).toBeGreaterThan(0)
    expect(judged.every(({ confirmed }) => confirmed === false)).toBe(true)
  })

  test('one that loses packets fools nobody, and the standbys connect again when it is gone', async () => {
    const leader = await settled(agentId, 2)
    await filtered(leader, 'drop', async () => {
      await waitFor('the leader to miss its standbys', async () => (await leaderOf(agentId))?.standbys.length === 0, {
        seconds: (keepAliveMs + givenUpMs) / 1000 + 15,
      })
      await foolsNobody(leader, leaseMs)
    })
    const healed = await settled(agentId, 2)
    expect(healed).toMatchObject({ pod: leader.pod, epoch: leader.epoch, transitions: leader.transitions })
  })
})
