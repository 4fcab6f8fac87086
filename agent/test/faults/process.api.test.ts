import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { stallSeconds } from '@regent/contract/election.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { boundMs } from './bounds.ts'
import { longerTiming, shortTiming } from './contestant.ts'
import type { Field } from './field.ts'
import { scene } from './scene.ts'
import { describeFaults, stoppedBefore } from './expectations.ts'
import { within } from './replica.ts'
import { crashed, hung, killed, takeover, terminated } from './takeover.ts'

// The figures are the bench's. Here the Lease is shorter than any profile's, so that many faults fit into a minute.
const leaseMs = shortTiming.leaseDurationSeconds * 1000

/** For how long the Lease was not renewed, at most, within so many milliseconds from now. */
async function longestStandstillMs(field: Field, withinMs: number): Promise<number> {
  const fromMs = performance.now()
  let longestMs = 0
  let changed = { version: (await field.lease())?.version, atMs: fromMs }
  while (performance.now() - fromMs < withinMs) {
    const version = (await field.lease())?.version
    const atMs = performance.now()
    longestMs = Math.max(longestMs, atMs - changed.atMs)
    if (version !== changed.version) changed = { version, atMs }
    await pause(50)
  }
  return longestMs
}

describeFaults('faults of the process', () => {
  test('a leader that is told to stop hands over, and exits with 0', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const before = await field.lease()
      const { leader, word, awakeMilliseconds } = await takeover(field, terminated, 20)
      expect(leader).not.toBe(former)
      expect(word).toMatchObject({ reason: 'released' })
      expect(word.epoch).toBeGreaterThan(before?.epoch ?? 0n)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'planned'))
      expect((await former.ended(10)).code).toBe(0)
      expect(witness.overlapMs).toBe(0)
      expect(witness.refused).toEqual([])
    }))

  test('a leader that is killed is followed at once, by the end of its connection', () =>
    scene({}, async ({ field, witness }) => {
      const { epoch } = (await field.lease()) ?? {}
      const { word, awakeMilliseconds } = await takeover(field, killed, 20)
      expect(word).toMatchObject({ reason: 'peer-evidence' })
      expect(word.epoch).toBeGreaterThan(epoch ?? 0n)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, with peer'))
      expect(witness.overlapMs).toBe(0)
      await field.leader(5)
    }))

  test('a leader that crashes is followed at once, like one that is killed', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const { epoch } = (await field.lease()) ?? {}
      const { leader, word, awakeMilliseconds } = await takeover(field, crashed, 20)
      expect(leader).not.toBe(former)
      expect(word).toMatchObject({ reason: 'peer-evidence' })
      expect(word.epoch).toBeGreaterThan(epoch ?? 0n)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, with peer'))
      const { code, signal } = await former.ended(5)
      expect(signal).toBeNull()
      expect(code).not.toBe(0)
      // Why it ended is in its log, for whoever looks after it.
      expect(former.tail).toContain('a fault that nobody catches')
      expect(witness.overlapMs).toBe(0)
    }))

  test('a leader that is killed without evidence is followed when its Lease has run out', () =>
    scene({ peerEvidence: false }, async ({ field, witness }) => {
      const { word, milliseconds, awakeMilliseconds } = await takeover(field, killed, 20)
      expect(word).toMatchObject({ reason: 'expired' })
      expect(milliseconds).toBeGreaterThan(leaseMs - 1000 * shortTiming.retryPeriodSeconds - 1000)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'killed, without'))
      expect(witness.overlapMs).toBe(0)
    }))

  test('a container that is restarted takes the Lease of its former self, with a higher epoch', () =>
    scene({ replicas: 1, peerEvidence: false }, async ({ field }) => {
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch ?? 0n
      await leader.kill()
      await leader.start()
      await field.leader(10)
      const [, word] = leader.heard.filter(({ event }) => event !== 'ended')
      expect(word).toMatchObject({ event: 'leading', reason: 'restarted' })
      expect((await field.lease())?.epoch).toBeGreaterThan(epoch)
    }))

  test('a leader that is stopped in its tracks is followed, and acts no more when it goes on', () =>
    scene({}, async ({ field, witness, effects }) => {
      const former = await field.leader(1)
      const { leader, awakeMilliseconds } = await takeover(field, () => former.signal('SIGSTOP'), 20)
      expect(leader).not.toBe(former)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'node lost'))
      const acceptedBefore = effects.accepted.length
      former.signal('SIGCONT')
      // It was away for longer than its abort budget: its watchdog ends it, or it has seen that it is over.
      await waitFor('the former leader to give in', () => !former.believesToLead, {
        seconds: 10,
        everyMilliseconds: 10,
      })
      await waitFor('more effects', () => effects.accepted.length > acceptedBefore + 10, { seconds: 10 })
      expect(await field.leader(10)).toBe(leader)
      // One effect may have been between its assertion and its sending when the process was stopped.
      expect(witness.refused.length).toBeLessThanOrEqual(1)
    }))

  test('a leader whose event loop hangs is followed, and its watchdog ends it', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const { leader, awakeMilliseconds } = await takeover(field, hung, 30)
      expect(leader).not.toBe(former)
      expect(awakeMilliseconds).toBeLessThan(boundMs(shortTiming, 'hung'))
      expect(await former.ended(10)).toMatchObject({ signal: 'SIGKILL' })
      expect(witness.overlapMs).toBe(0)
      // Why, is in its log, although the thread that writes the log hung.
      const [killed] = former.lines.filter(({ event }) => event === 'killed-by-watchdog')
      expect(killed).toMatchObject({ level: 'error', agent: 'local', pod: former.name, thread: 'elector' })
      expect(killed?.['message']).toMatch(/^the work of epoch \d+ did not end within its abort budget$/)
    }))

  test('a leader whose elector gets no CPU ends its work before it is followed, and competes again', () =>
    scene({}, async ({ field, witness }) => {
      const former = await field.leader(1)
      const worked = new Promise<number>((resolve) =>
        former.on('line', ({ event }) => {
          if (event === 'effects-ended') resolve(performance.now())
        }),
      )
      const blocked = (): number => former.block(leaseMs + 4000, 'elector')
      const { leader, word } = await takeover(field, blocked, 20)
      expect(leader).not.toBe(former)
      expect(word).toMatchObject({ reason: 'expired' })
      expect(await within(worked, 1, () => former.tail)).toBeLessThan(word.atMs)
      await stoppedBefore(former, witness)
      // Its work was over in time, so nothing had to be killed.
      expect(former.isRunning).toBe(true)
      const next = await takeover(field, killed, 20)
      expect(next.leader).not.toBe(leader)
      await field.leader(10)
    }))

  test('an event loop that hangs for less than a lease costs at most a suspension, and no leadership', () =>
    scene({ timing: longerTiming }, async ({ field, witness }) => {
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch
      // Long enough that renewals stop, and not so long that the watchdog ends the process.
      const blockedMs = 1000 * stallSeconds + 3000
      leader.block(blockedMs)
      // Its elector renews until it takes the main thread for hung, and again when that answers.
      const watchedMs = blockedMs + 1000 * longerTiming.leaseDurationSeconds
      expect(await longestStandstillMs(field, watchedMs)).toBeGreaterThan(2000 * longerTiming.retryPeriodSeconds)
      expect(await field.leader(10)).toBe(leader)
      expect((await field.lease())?.epoch).toBe(epoch)
      expect(leader.lines).toContainEqual(expect.objectContaining({ event: 'event-loop-stalled' }))
      expect(leader.heard.filter(({ event }) => event === 'ended').length).toBeLessThanOrEqual(1)
      expect(field.standbys.flatMap(({ heard }) => heard).filter(({ event }) => event === 'leading')).toEqual([])
      expect(witness.overlapMs).toBe(0)
    }))

  test('a clock that is set forth stops the leader, and makes no standby take over', () =>
    scene({}, async ({ field, witness }) => {
      const leader = await field.leader(1)
      const [standby] = field.standbys
      standby?.setClockStep(3_600_000)
      await pause(leaseMs)
      expect(await field.leader(1)).toBe(leader)
      leader.setClockStep(3_600_000)
      // By that clock its time is over, that of its abort budget too: it stops, or its watchdog ends the process.
      await waitFor('the leader to notice', () => leader.hasStoppedLeading, { seconds: 10, everyMilliseconds: 10 })
      await field.leader(20)
      expect(witness.overlapMs).toBe(0)
      expect(witness.refused).toEqual([])
    }))

  test('a clock that is set back changes nothing', () =>
    scene({}, async ({ field }) => {
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch
      for (const replica of field.replicas) replica.setClockStep(-3_600_000)
      await pause(leaseMs)
      expect(await field.leader(5)).toBe(leader)
      expect((await field.lease())?.epoch).toBe(epoch)
    }))

  test('replicas come and go beside the leader without a transition', () =>
    scene({ replicas: 3 }, async ({ field }) => {
      const leader = await field.leader(1)
      const epoch = (await field.lease())?.epoch
      for (const standby of field.standbys) {
        standby.signal('SIGTERM')
        expect((await standby.ended(10)).code).toBe(0)
      }
      expect(await field.leader(1)).toBe(leader)
      await field.start()
      expect(await field.leader(1)).toBe(leader)
      expect((await field.lease())?.epoch).toBe(epoch)
    }))

  test('all replicas end, and the epoch of the first that comes back is higher', () =>
    scene({}, async ({ field }) => {
      const epoch = (await field.lease())?.epoch ?? 0n
      await Promise.all(field.replicas.map((replica) => replica.kill()))
      await field.start()
      expect((await field.lease())?.epoch).toBeGreaterThan(epoch)
    }))
})
