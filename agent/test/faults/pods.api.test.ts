import { expect, test } from '@jest/globals'
import { boundMs } from './bounds.ts'
import { longerTiming } from './contestant.ts'
import { describeFaults } from './expectations.ts'
import { PlayedKubelet, relistMs } from './played-kubelet.ts'
import { scene } from './scene.ts'
import { killed, takeover } from './takeover.ts'

// Its lease would outlast the report by far, so that it is the report that decides.
const timing = longerTiming
const evidence = { timing, peerEvidence: false, podEvidence: true }

describeFaults('evidence of the pods alone', () => {
  test('a leader whose container is reported terminated is followed long before its Lease runs out', () =>
    scene(evidence, async ({ field, witness }) => {
      const kubelet = new PlayedKubelet()
      await kubelet.reportRunning(field)
      const before = await field.lease()
      const { word, awakeMilliseconds } = await takeover(
        field,
        async (leader, where) => {
          const atMs = await killed(leader, where)
          await kubelet.reportEnd(leader)
          return atMs
        },
        20,
      )
      expect(word).toMatchObject({ reason: 'pod-evidence' })
      expect(word.epoch).toBeGreaterThan(before?.epoch ?? 0n)
      expect(awakeMilliseconds).toBeLessThan(relistMs + boundMs(timing, 'planned'))
      expect(witness.overlapMs).toBe(0)
    }))

  test('the end of the container of a standby is of no consequence', () =>
    scene(evidence, async ({ field }) => {
      const kubelet = new PlayedKubelet()
      await kubelet.reportRunning(field)
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch
      const [standby] = field.standbys
      if (standby === undefined) throw new Error('no standby')
      await standby.kill()
      await kubelet.reportEnd(standby)
      await field.start()
      await kubelet.reportRunning(field)
      expect(await field.leader(1)).toBe(leader)
      expect((await field.lease())?.epoch).toBe(epoch)
    }))
})
