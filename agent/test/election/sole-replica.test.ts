import { once } from 'node:events'
import { afterEach, expect, test } from '@jest/globals'
import type { LeaderWork } from '../../src/election/leader-work.ts'
import { type Leadership, NotLeading } from '../../src/election/leadership.ts'
import { soleLineage } from '../../src/election/sole-reign.ts'
import { SoleReplica } from '../../src/election/sole-replica.ts'

const retry = { firstMs: 1, longestMs: 5, stableMs: 60_000 }
const holder = 'regent-agent-dev-0_uid_boot'
const open: SoleReplica[] = []
afterEach(async () => {
  for (const election of open.splice(0)) await election.stop()
})

function elected(
  works: readonly LeaderWork[],
  options: Partial<ConstructorParameters<typeof SoleReplica>[0]> = {},
): SoleReplica {
  const election = new SoleReplica({ holder, drainBudgetSeconds: 5, abortBudgetSeconds: 5, retry, ...options }, works)
  open.push(election)
  return election
}

/** Starts it and waits until it leads. */
async function leadershipOf(election: SoleReplica): Promise<Leadership> {
  const leading = once(election, 'leading')
  election.start()
  const [leadership] = (await leading) as [Leadership]
  return leadership
}

const until = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
/** Work that ends when it is told to. */
const obedient = (name = 'work'): LeaderWork => ({
  name,
  lead: ({ draining, signal }) => until(AbortSignal.any([draining, signal])),
})

test('it leads from the start, without a Lease', async () => {
  const election = elected([obedient()])
  expect(election.status).toEqual({ role: 'starting', synced: true, prepared: false, cordoned: false })
  expect(election.remainingSeconds).toBe(0)
  const before = BigInt(Date.now()) * 1000n
  const leadership = await leadershipOf(election)
  expect(leadership).toMatchObject({
    lineage: soleLineage,
    holder,
    reason: 'first',
    phases: { detected: 0, acquired: 0 },
  })
  expect(leadership.epoch).toBeGreaterThanOrEqual(before)
  expect(election.status).toEqual({
    role: 'leading',
    synced: true,
    prepared: true,
    cordoned: false,
    holder,
    epoch: leadership.epoch,
  })
  expect(election.remainingSeconds).toBe(Infinity)
  expect(() => leadership.assert()).not.toThrow()
})

test('a stop drains the work, ends the leadership and is provably over', async () => {
  const seen: string[] = []
  const finished = Promise.withResolvers<undefined>()
  const election = elected([
    {
      name: 'slow',
      lead: async (leadership) => {
        await until(leadership.draining)
        seen.push(`draining, still leading: ${String(!leadership.signal.aborted)}`)
        leadership.assert()
        await finished.promise
        seen.push('finished')
      },
    },
  ])
  const ended: unknown[] = []
  election.on('ended', (end) => ended.push(end))
  const leadership = await leadershipOf(election)
  const stopped = election.stop()
  expect(election.status.role).toBe('draining')
  expect(ended).toEqual([])
  finished.resolve(undefined)
  await expect(stopped).resolves.toBe(true)
  expect(seen).toEqual(['draining, still leading: true', 'finished'])
  expect(ended).toEqual([{ epoch: leadership.epoch, reason: 'released' }])
  expect(election.status.role).toBe('stopped')
  expect(() => leadership.assert()).toThrow(NotLeading)
})

test('work that does not finish within the drain budget is told to end, and a stop is over when it has', async () => {
  const election = elected([{ name: 'stubborn', lead: ({ signal }) => until(signal) }], { drainBudgetSeconds: 0.01 })
  const ended: unknown[] = []
  election.on('ended', (end) => ended.push(end))
  const { signal, epoch } = await leadershipOf(election)
  await expect(election.stop()).resolves.toBe(true)
  expect(signal.reason).toBe('drained')
  expect(ended).toEqual([{ epoch, reason: 'drained' }])
})

test('work that does not end at all makes a stop that is not over', async () => {
  const election = elected([{ name: 'deaf', lead: () => new Promise(() => undefined) }], {
    drainBudgetSeconds: 0.01,
    abortBudgetSeconds: 0.01,
  })
  const ended: unknown[] = []
  election.on('ended', (end) => ended.push(end))
  await leadershipOf(election)
  await expect(election.stop()).resolves.toBe(false)
  expect(ended).toEqual([])
})

test('work that fails ends the leadership of all, which begins anew with a higher epoch', async () => {
  let failures = 0
  const ends: unknown[] = []
  const fragile: LeaderWork = {
    name: 'fragile',
    lead: async ({ draining }) => {
      if (failures < 3) {
        failures += 1
        throw new Error(`failure ${failures}`)
      }
      await until(draining)
    },
  }
  const witness: LeaderWork = {
    name: 'witness',
    lead: async ({ draining, signal }) => {
      await until(AbortSignal.any([draining, signal]))
      ends.push(signal.reason)
    },
  }
  // A clock that stands still must not give the same epoch twice.
  const election = elected([fragile, witness], { clock: { now: () => ({ monotonicMs: 0, wallMs: 1000 }) } })
  const leaderships: Leadership[] = []
  const notices: unknown[][] = []
  const fourth = new Promise<void>((resolve) =>
    election.on('leading', (leadership) => leaderships.push(leadership) === 4 && resolve()),
  )
  election.on('notice', (...notice) => notices.push(notice))
  election.start()
  await fourth
  expect(leaderships.map(({ epoch, reason }) => [epoch, reason])).toEqual([
    [1000000n, 'first'],
    [1000001n, 'work-failed'],
    [1000002n, 'work-failed'],
    [1000003n, 'work-failed'],
  ])
  expect(ends).toEqual(['lost', 'lost', 'lost'])
  expect(notices[0]).toEqual(['error', 'work-failed', { work: 'fragile', reason: 'Error: failure 1' }])
})

test('work that returns without being told to has failed', async () => {
  const election = elected([{ name: 'lazy', lead: () => Promise.resolve() }])
  const notice = once(election, 'notice')
  election.start()
  expect(await notice).toEqual([
    'error',
    'work-failed',
    { work: 'lazy', reason: 'it returned although it was not told to' },
  ])
})

test('work that fails and leaves other work running that does not end stops it for good', async () => {
  const election = elected(
    [
      { name: 'fragile', lead: () => Promise.reject(new Error('no')) },
      { name: 'deaf', lead: () => new Promise(() => undefined) },
    ],
    { abortBudgetSeconds: 0.01 },
  )
  const stopped = new Promise<void>((resolve) => election.on('status', ({ role }) => role === 'stopped' && resolve()))
  election.start()
  await stopped
  await expect(election.stop()).resolves.toBe(false)
})

test('it does not lead before its work is prepared, and prepares again what failed', async () => {
  let attempts = 0
  const gate = Promise.withResolvers<undefined>()
  const election = elected([
    {
      ...obedient(),
      prepare: async () => {
        attempts += 1
        if (attempts < 3) throw new Error('not yet')
        await gate.promise
      },
    },
  ])
  let leads = false
  election.on('leading', () => (leads = true))
  const second = new Promise<void>((resolve) => election.on('notice', () => attempts === 2 && resolve()))
  election.start()
  await second
  expect([leads, election.status.prepared]).toEqual([false, false])
  const leading = once(election, 'leading')
  gate.resolve(undefined)
  await leading
  expect(election.status.prepared).toBe(true)
})

test('a stop while it prepares ends the preparation', async () => {
  const election = elected([{ ...obedient(), prepare: (signal) => until(signal) }])
  let leads = false
  election.on('leading', () => (leads = true))
  election.start()
  await expect(election.stop()).resolves.toBe(true)
  expect(leads).toBe(false)
})

test('without any work it leads until it is stopped', async () => {
  const election = elected([])
  await leadershipOf(election)
  await expect(election.stop()).resolves.toBe(true)
})

test('starting twice is refused', () => {
  const election = elected([])
  election.start()
  expect(() => election.start()).toThrow('was started already')
})

test('nobody is there to yield to', async () => {
  const election = elected([obedient()])
  const { signal } = await leadershipOf(election)
  election.yield('the control plane does not answer')
  expect(signal.aborted).toBe(false)
})

test('it holds what nobody else can take for as long as it leads', async () => {
  const election = elected([obedient()])
  await expect(election.verify()).resolves.toBe(false)
  await leadershipOf(election)
  await expect(election.verify()).resolves.toBe(true)
  await election.stop()
  await expect(election.verify()).resolves.toBe(false)
})
