import { leaseAnnotations } from '@regent/contract/names.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { boundMs } from './bounds.ts'
import { regentAgent, shortTiming } from './contestant.ts'
import { Field } from './field.ts'
import { editLease } from './lease.ts'
import { committedAgent } from './manifests.ts'
import { scene } from './scene.ts'
import { killed, leaseDeleted, takeover } from './takeover.ts'
import { describeFaults, stoppedBefore, withoutTransition } from './expectations.ts'

const leaseMs = shortTiming.leaseDurationSeconds * 1000
const edit = (field: Field, change: object): Promise<number> => editLease(field.namespace, committedAgent, change)
const microTime = (): string => new Date().toISOString().replace('Z', '000Z')

describeFaults('faults of the Lease', () => {
  test('a Lease that is deleted is created again by its holder, with a higher epoch', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const epoch = (await field.lease())?.epoch ?? 0n
      const { leader, word, awakeMilliseconds } = await takeover(field, leaseDeleted, 20)
      expect(leader.name).toBe(former.name)
      expect(word).toMatchObject({ reason: 'deleted' })
      expect(word.epoch).toBeGreaterThan(epoch)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'planned'))
      await field.leader(5)
      expect(witness.overlapMs).toBe(0)
    }))

  test('a Lease that is deleted after its holder was killed is taken when it would have run out', () =>
    scene({ peerEvidence: false }, async ({ field }) => {
      const epoch = (await field.lease())?.epoch ?? 0n
      const { word, milliseconds, awakeMilliseconds } = await takeover(
        field,
        async (leader, where) => {
          const atMs = killed(leader, where)
          await leaseDeleted(leader, where)
          return atMs
        },
        20,
      )
      expect(word.epoch).toBeGreaterThan(epoch)
      expect(milliseconds).toBeGreaterThan(leaseMs / 2)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, without'))
    }))

  test('a Lease that is given to somebody else ends the leadership at once, and is free when it has run out', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const epoch = (await field.lease())?.epoch ?? 0n
      const spec = { holderIdentity: 'somebody', renewTime: microTime(), leaseDurationSeconds: 4 }
      let sentAtMs = NaN
      const given = (): Promise<number> => {
        sentAtMs = performance.now()
        return edit(field, { spec })
      }
      const { word, awakeMilliseconds } = await takeover(field, given, 30)
      expect(word).toMatchObject({ reason: 'expired' })
      expect(word.epoch).toBeGreaterThan(epoch)
      // Replicas may have heard of it before the harness was answered.
      expect(word.atMs - sentAtMs).toBeGreaterThan(leaseMs - 500)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, without'))
      const reign = witness.intervals.find((interval) => interval.epoch === epoch)
      const unrenewedMs = (shortTiming.renewDeadlineSeconds - shortTiming.retryPeriodSeconds) * 1000
      // Sooner than it would have stopped for want of a renewal.
      expect(reign?.toMs).toBeLessThan(word.atMs - awakeMilliseconds + unrenewedMs)
      await stoppedBefore(former, witness)
    }))

  test('a Lease whose holder is edited away is taken again by the same leader, with a higher epoch', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const epoch = (await field.lease())?.epoch ?? 0n
      const { leader, word } = await takeover(field, () => edit(field, { spec: { holderIdentity: '' } }), 20)
      expect(leader.name).toBe(former.name)
      expect(word).toMatchObject({ reason: 'cleared' })
      expect(word.epoch).toBeGreaterThan(epoch)
      expect(witness.overlapMs).toBe(0)
    }))

  test('garbage in the fields of a Lease delays a takeover by no more than a Lease', () =>
    scene({}, async ({ field, witness }) => {
      const epoch = (await field.lease())?.epoch ?? 0n
      const spec = {
        holderIdentity: '_/_?_😀_',
        leaseDurationSeconds: 2_147_483_647,
        leaseTransitions: 2_147_483_647,
        renewTime: '9999-12-31T23:59:59.999999Z',
        acquireTime: '0001-01-01T00:00:00.000000Z',
      }
      const { word, awakeMilliseconds } = await takeover(field, () => edit(field, { spec }), 30)
      expect(word.epoch).toBeGreaterThan(epoch)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, without'))
      await pause(leaseMs)
      await field.leader(5)
      expect(witness.overlapMs).toBe(0)
    }))

  test('garbage in the annotations of a Lease costs nothing, and is written over', () =>
    scene({}, ({ field }) =>
      withoutTransition(field, async () => {
        const { epoch, since, reason, takeovers, peer, standbys, node } = leaseAnnotations
        const garbage = Object.fromEntries(
          [epoch, since, reason, takeovers, peer, standbys, node].map((key) => [key, '{"]😀']),
        )
        await edit(field, { metadata: { annotations: garbage } })
        await waitFor('the leader to write its own', async () => (await field.lease())?.epoch !== undefined, {
          seconds: 10,
        })
        await pause(leaseMs)
      }),
    ))

  test('without permission nobody leads and everybody says which is missing; with it the same epoch goes on', () =>
    scene({}, async ({ field }) => {
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch
      const binding = ['rolebinding', committedAgent, '-n', field.namespace]
      const stored = await mustKubectl(['get', ...binding, '-o', 'json'])
      await mustKubectl(['delete', ...binding])
      await waitFor('the leader to stop', () => !leader.believesToLead, { seconds: 20, everyMilliseconds: 20 })
      const isSaid = ({ event, message }: Readonly<Record<string, unknown>>): boolean =>
        event === 'obstacle' && /may not (get|update) the Lease.*the Role/.test(String(message))
      await waitFor('everybody to say why', () => field.replicas.every(({ lines }) => lines.some(isSaid)), {
        seconds: 20,
      })
      const { metadata, ...rest } = JSON.parse(stored) as { metadata: { name: string; namespace: string } }
      const { name, namespace } = metadata
      await mustKubectl(['create', '-f', '-'], { input: { ...rest, metadata: { name, namespace } } })
      expect((await field.leader(30)).name).toBe(leader.name)
      expect((await field.lease())?.epoch).toBe(epoch)
    }))

  test('a leader whose pod is deleted loses its token, stops, and is followed', () =>
    scene({ peerEvidence: false }, async ({ field, witness }) => {
      const former = await field.leader(1)
      const { leader } = await takeover(
        field,
        async () => {
          await mustKubectl(['delete', 'pod', former.name, '-n', field.namespace, '--force', '--grace-period=0'])
          return performance.now()
        },
        // API servers believe a token that they have seen for ten more seconds.
        45,
      )
      expect(leader.name).not.toBe(former.name)
      await stoppedBefore(former, witness)
    }))

  test('two deployments with one agent id have one leader together', () =>
    scene({ replicas: 2 }, async ({ field, witness }) => {
      const timing = { ...shortTiming, retryPeriodSeconds: 0.8, renewDeadlineSeconds: 2 }
      const other = await Field.create(regentAgent({ timing, witnessPort: witness.port }), {
        replicas: 2,
        beside: field,
      })
      try {
        await Promise.all(other.replicas.map((replica) => replica.start()))
        await other.ready()
        const all = [...field.replicas, ...other.replicas]
        const believers = (): readonly string[] =>
          all.filter(({ believesToLead }) => believesToLead).map(({ name }) => name)
        const leader = await field.leader(1)
        await pause(leaseMs)
        expect(believers()).toEqual([leader.name])
        // Whoever follows is of one of the two: both of the other's replicas, if the rest of this one is gone.
        for (const replica of field.replicas) await replica.kill()
        const next = await other.leader(20)
        expect(believers()).toEqual([next.name])
        expect(witness.overlapMs).toBe(0)
      } finally {
        await other.close()
      }
    }))
})
