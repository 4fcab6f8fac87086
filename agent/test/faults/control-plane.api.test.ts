import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { STATE_VARIABLE, type ClusterState } from '../../../test/cluster/state.ts'
import { shortTiming } from './contestant.ts'
import { OwnControlPlane } from './own-control-plane.ts'
import type { Scene, scene as playScene } from './scene.ts'
import { terminated, takeover } from './takeover.ts'

/** Longest that a test may take, in milliseconds: each starts an API server again, on a machine that may be busy. */
const timeoutMs = 150_000
const leaseMs = shortTiming.leaseDurationSeconds * 1000
// Asking for the cluster of the tests would make it known before our own has taken its place.
const { release } = JSON.parse(readFileSync(process.env[STATE_VARIABLE] ?? '', 'utf8')) as ClusterState
const describeFaults = release === 'oldest' ? describe.skip : describe

describeFaults('faults of the control plane of Kubernetes', () => {
  let controlPlane: OwnControlPlane
  let scene: typeof playScene
  beforeAll(async () => {
    controlPlane = await OwnControlPlane.start()
    ;({ scene } = await import('./scene.ts'))
  })
  afterAll(() => controlPlane.remove())

  test(
    'an API server that is killed and started again finds the same leader, with the same epoch',
    () =>
      scene({}, async ({ field }) => {
        const leader = await field.leader(1)
        const epoch = (await field.lease())?.epoch
        const processes = field.replicas.map(({ pid }) => pid)
        await controlPlane.kill('kube-apiserver')
        controlPlane.restart('kube-apiserver')
        await controlPlane.answers()
        expect((await field.leader(20)).name).toBe(leader.name)
        expect((await field.lease())?.epoch).toBe(epoch)
        expect(field.replicas.map(({ pid, isRunning }) => isRunning && pid)).toEqual(processes)
      }),
    timeoutMs,
  )

  /** Takes a snapshot, lets epochs go by that it does not know, and puts it back. Returns the highest epoch. */
  async function goBack({ field }: Scene, bumpRevision: number): Promise<bigint> {
    const snapshot = await controlPlane.snapshot()
    const former = await field.leader(1)
    const { word } = await takeover(field, terminated, 20)
    await former.ended(20)
    await field.start()
    await controlPlane.restore(snapshot, bumpRevision)
    return word.epoch
  }

  test(
    'an etcd that was restored from a backup stops every replica that has seen later epochs',
    () =>
      scene({}, async (played) => {
        const { field, witness } = played
        const highest = await goBack(played, 0)
        const effects = witness.accepted.length
        await pause(2 * leaseMs)
        expect(field.replicas.filter(({ believesToLead }) => believesToLead)).toEqual([])
        expect(witness.accepted.length).toBe(effects)
        expect(witness.highest).toBe(highest)
        expect(witness.refused).toEqual([])
        for (const { lines } of field.replicas) {
          const said = lines.filter(({ event }) => event === 'obstacle').map(({ message }) => String(message))
          expect(said.join('\n')).toMatch(/went back from resourceVersion \d+ to \d+.*--bump-revision/)
        }
      }),
    timeoutMs,
  )

  test(
    'an etcd that was restored with --bump-revision gives replicas that are started again a higher epoch',
    () =>
      scene({}, async (played) => {
        const { field, witness } = played
        const highest = await goBack(played, 1_000_000)
        // Those that run have seen a Lease that is newer than the one in the backup.
        await pause(leaseMs)
        expect(field.replicas.filter(({ believesToLead }) => believesToLead)).toEqual([])
        await Promise.all(field.replicas.map((replica) => replica.kill()))
        await field.start()
        expect((await field.lease())?.epoch).toBeGreaterThan(highest)
        expect(witness.refused).toEqual([])
      }),
    timeoutMs,
  )
})
