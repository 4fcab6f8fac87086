import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { boundMs } from './bounds.ts'
import { longerTiming, shortTiming } from './contestant.ts'
import type { Field } from './field.ts'
import type { KubernetesEffects } from './kubernetes-effects.ts'
import type { ProxyMode } from './proxy.ts'
import type { Replica } from './replica.ts'
import { scene } from './scene.ts'
import { describeFaults, stoppedBefore, wasLeftRunning, withoutTransition } from './expectations.ts'
import { type Fault, killed, takeover } from './takeover.ts'

const leaseMs = shortTiming.leaseDurationSeconds * 1000
const deadlineMs = shortTiming.renewDeadlineSeconds * 1000

async function everyApi(field: Field, mode: ProxyMode): Promise<void> {
  await Promise.all(field.replicas.map(({ apiProxy }) => apiProxy.set(mode)))
}

/** Cuts a leader off in such a way that a write of it is on its way: the answer to the one before may still arrive. */
const cutOffWhileItWrites: Fault = async ({ apiProxy }) => {
  await apiProxy.set('mute')
  await pause(200)
  await apiProxy.set('freeze')
  return performance.now()
}

/**
 * How many writes of a replica the API server refused. A leader's first one may be refused without any fault, where the
 * API server compares it with the Lease as it was a moment before, and is sent again.
 */
async function refusalsTo({ name }: Replica, effects: KubernetesEffects): Promise<number> {
  return (await effects.refusedTo()).filter((pod) => pod === name).length
}

describeFaults('faults of the connection to the API server', () => {
  test('connections that are reset, again and again, cost no leadership', () =>
    scene({}, ({ field }) =>
      withoutTransition(field, async () => {
        for (let cut = 0; cut < 10; cut++) {
          for (const { apiProxy } of field.replicas) apiProxy.cut()
          await pause(leaseMs / 10)
        }
      }),
    ))

  test('an API server that answers late costs no leadership', () =>
    scene({}, ({ field }) =>
      withoutTransition(field, async () => {
        await everyApi(field, { delayMs: 150 })
        await pause(2 * leaseMs)
        await everyApi(field, 'pass')
      }),
    ))

  test('an outage that is shorter than the renew deadline costs nothing', () =>
    scene({ timing: longerTiming }, async ({ field }) => {
      await withoutTransition(field, async () => {
        await everyApi(field, 'refuse')
        await pause((1000 * longerTiming.renewDeadlineSeconds) / 4)
        await everyApi(field, 'pass')
        await pause(1000 * longerTiming.leaseDurationSeconds)
      })
      expect((await field.leader(1)).heard.some(({ event }) => event === 'ended')).toBe(false)
    }))

  test.each(['refuse', 'freeze'] as const)(
    'after an outage that is longer than the Lease (%s) the same leader resumes with the same epoch',
    (mode) =>
      scene({}, async ({ field, witness }) => {
        const leader = await field.leader(1)
        await withoutTransition(field, async () => {
          await everyApi(field, mode)
          await waitFor('the leader to be suspended', () => leader.heard.at(-1)?.event === 'ended', {
            seconds: (deadlineMs + leaseMs) / 1000,
            everyMilliseconds: 10,
          })
          await pause(leaseMs)
          expect(field.replicas.some(({ believesToLead }) => believesToLead)).toBe(false)
          await everyApi(field, 'pass')
        })
        expect(leader.heard.at(-1)).toMatchObject({ event: 'leading' })
        expect(witness.refused).toEqual([])
      }),
  )

  test('a leader that is cut off is followed, stops before, and nothing that it had sent takes effect', () =>
    scene({}, async ({ field, witness, effects }) => {
      const former = await field.leader(1)
      const refusedBefore = await refusalsTo(former, effects)
      const { leader, awakeMilliseconds } = await takeover(field, cutOffWhileItWrites, 20)
      expect(leader).not.toBe(former)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'node lost'))
      await stoppedBefore(former, witness)
      expect(witness.refused).toEqual([])
      expect(await refusalsTo(former, effects)).toBe(refusedBefore)
      await former.apiProxy.set('pass')
      // Its request arrives together with the farewell of its own TLS, upon which the server refuses it or gives it up.
      const isOver = (): boolean => former.heard.at(-1)?.event === 'standby'
      await waitFor('the former leader to be a standby', isOver, { seconds: 20 })
      wasLeftRunning(former)
      expect(await field.leader(10)).toBe(leader)
    }))

  test('a write that a leader sent before it was killed is refused when it arrives after the takeover', () =>
    scene({}, async ({ field, effects }) => {
      const former = await field.leader(1)
      const refusedBefore = await refusalsTo(former, effects)
      const { leader, word } = await takeover(
        field,
        async (cut, where) => {
          await cutOffWhileItWrites(cut, where)
          // Long enough for an effect to be on its way, and too short for the leader to notice.
          await pause(deadlineMs / 4)
          return killed(cut, where)
        },
        20,
      )
      expect(word).toMatchObject({ reason: 'peer-evidence' })
      const admitted = effects.accepted.length
      await waitFor('effects of the new leader', () => effects.accepted.length > admitted + 5, { seconds: 10 })
      await former.apiProxy.set('pass')
      const isRefused = async (): Promise<boolean> => (await refusalsTo(former, effects)) > refusedBefore
      await waitFor('the late write to be refused', isRefused, { seconds: 10 })
      expect(await field.leader(10)).toBe(leader)
    }))

  test('standbys whose watch is dead without knowing it take over all the same, and from nobody that lives', () =>
    scene({ peerEvidence: false }, async ({ field, witness }) => {
      const former = await field.leader(1)
      const standbys = field.standbys
      await withoutTransition(field, async () => {
        // What the server says is lost on the connections that stand; new ones are well.
        for (const { apiProxy } of standbys) await apiProxy.set('half-open')
        await pause(leaseMs / 2)
        for (const { apiProxy } of standbys) await apiProxy.set('pass')
      })
      for (const { apiProxy } of standbys) apiProxy.strand()
      const { leader, awakeMilliseconds } = await takeover(field, killed, 30)
      expect(leader).not.toBe(former)
      // The silence of the watch is noticed after two renewals, and a request that hangs after a second.
      const noticedMs = 2000 * shortTiming.retryPeriodSeconds + 1000
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, without') + noticedMs)
      expect(witness.overlapMs).toBe(0)
    }))
})
