import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type ElectionProfile,
  electionProfiles,
  type ElectionTiming,
  failoverBounds,
  gracePeriodProblems,
  safetyMarginSeconds,
  timingProblems,
} from '../election.ts'

const paths = {
  leaseDurationSeconds: 'the.lease',
  renewDeadlineSeconds: 'the.deadline',
  retryPeriodSeconds: 'the.retry',
  abortBudgetSeconds: 'the.abort',
}
const fast: ElectionTiming = electionProfiles.fast
const profiles = Object.entries(electionProfiles) as [ElectionProfile, ElectionTiming][]

function figures(timing: ElectionTiming): readonly number[] {
  return [
    timing.leaseDurationSeconds,
    timing.renewDeadlineSeconds,
    timing.retryPeriodSeconds,
    timing.abortBudgetSeconds,
  ]
}

function pathsOf(timing: Partial<ElectionTiming>): readonly string[] {
  return timingProblems({ ...fast, ...timing }, paths).map(({ path }) => path)
}

describe('the timing of an election', () => {
  test('the profiles are the published figures', () => {
    expect(profiles.map(([name, timing]) => [name, ...figures(timing)])).toEqual([
      ['fast', 6, 4, 1.5, 1],
      ['standard', 15, 10, 2, 3],
      ['patient', 60, 15, 5, 10],
    ])
  })

  test.each(profiles)('the profile %s is possible', (_, timing) => {
    expect(timingProblems(timing, paths)).toEqual([])
    expect(
      gracePeriodProblems('grace', { terminationGracePeriodSeconds: 60, drainBudgetSeconds: 30, ...timing }),
    ).toEqual([])
  })

  test.each([
    ['a lease that ends exactly a margin after the work', { leaseDurationSeconds: 6 }, []],
    ['a shorter lease', { leaseDurationSeconds: 5.999 }, ['the.lease']],
    ['a longer abort', { abortBudgetSeconds: 1.001 }, ['the.lease']],
    ['a deadline of exactly a retry and an attempt', { renewDeadlineSeconds: 2.5 }, ['the.deadline']],
    ['a deadline just above', { renewDeadlineSeconds: 2.501 }, []],
    ['a slower retry', { retryPeriodSeconds: 3 }, ['the.deadline']],
    // From 5 s on, 1.2 × retry is more than a retry and an attempt. 1.2 × 5.1 is 6.119999999999999 in binary.
    [
      'a deadline of exactly 1.2 retries',
      { leaseDurationSeconds: 20, retryPeriodSeconds: 5.1, renewDeadlineSeconds: 6.12 },
      ['the.deadline'],
    ],
    [
      'a deadline above 1.2 retries',
      { leaseDurationSeconds: 20, retryPeriodSeconds: 5.1, renewDeadlineSeconds: 6.13 },
      [],
    ],
    ['everything wrong at once', { leaseDurationSeconds: 2, retryPeriodSeconds: 5 }, ['the.lease', 'the.deadline']],
  ] as const)('%s', (_, timing, expected) => {
    expect(pathsOf(timing)).toEqual(expected)
  })

  test('fails if the leader may act for longer than the lease lasts, with the figures and the way out', () => {
    expect(timingProblems({ ...fast, leaseDurationSeconds: 5 }, paths)).toEqual([
      {
        path: 'the.lease',
        received: '5',
        expected: 'at least renewDeadlineSeconds (4) + abortBudgetSeconds (1) + 1 s',
        fix: 'use 6, or shorten the other two: a leader must have stopped before another may start',
        severity: 'error',
      },
    ])
  })

  test('fails if one slow request would end the leadership, with the figures', () => {
    expect(timingProblems({ ...fast, renewDeadlineSeconds: 2 }, paths)).toMatchObject([
      { path: 'the.deadline', received: '2', expected: expect.stringContaining('more than 2.5 s') },
    ])
  })

  test('sums of fractions read well', () => {
    const [problem] = timingProblems(
      { leaseDurationSeconds: 4, renewDeadlineSeconds: 1.1, retryPeriodSeconds: 0.05, abortBudgetSeconds: 2.2 },
      paths,
    )
    expect(problem?.fix).toMatch(/^use 4\.3,/)
  })

  test('whatever passes has stopped a second before another may start', () => {
    const seconds = fc.integer({ min: 1, max: 60_000 }).map((milliseconds) => milliseconds / 1000)
    const timing = fc.record({
      leaseDurationSeconds: fc.integer({ min: 2, max: 600 }),
      renewDeadlineSeconds: seconds,
      retryPeriodSeconds: seconds,
      abortBudgetSeconds: seconds,
    })
    fc.assert(
      fc.property(timing, (timing) => {
        const spare = timing.leaseDurationSeconds - timing.renewDeadlineSeconds - timing.abortBudgetSeconds
        const found = timingProblems(timing, paths).some(({ path }) => path === 'the.lease')
        expect(found).toBe(Math.round(spare * 1000) < safetyMarginSeconds * 1000)
      }),
    )
  })
})

describe('the grace period', () => {
  const budgets = { drainBudgetSeconds: 30, abortBudgetSeconds: 1 }

  test('drain, abort and 5 s are enough', () => {
    expect(gracePeriodProblems('grace', { ...budgets, terminationGracePeriodSeconds: 36 })).toEqual([])
  })

  test('fails if a pod would be killed while it drains', () => {
    expect(gracePeriodProblems('grace', { ...budgets, terminationGracePeriodSeconds: 35 })).toEqual([
      {
        path: 'grace',
        received: '35',
        expected: 'at least drain (30) + abort (1) + 5 s',
        fix: 'use 36 or more: a pod that is killed while it drains cannot hand over',
        severity: 'error',
      },
    ])
  })

  test('each budget counts', () => {
    const grace = { ...budgets, terminationGracePeriodSeconds: 36 }
    expect(gracePeriodProblems('grace', { ...grace, drainBudgetSeconds: 31 })).toHaveLength(1)
    expect(gracePeriodProblems('grace', { ...grace, abortBudgetSeconds: 1.5 })).toHaveLength(1)
  })
})

describe('the worst case of a failover', () => {
  const kinds = [
    'planned',
    'killed, with peer evidence',
    'killed, with pod evidence',
    'killed, without evidence',
    'hung',
    'node lost',
    'API server away for up to',
    'API server away for longer',
  ]
  const all = { peers: true, pods: true }

  test.each([
    ['fast', [0.5, 0.55, 2, 6.5, 8.5, 6.5, 0, undefined]],
    ['standard', [0.5, 0.55, 2, 15.5, 17.5, 15.5, 0, undefined]],
    ['patient', [0.5, 0.55, 2, 60.5, 62.5, 60.5, 0, undefined]],
  ] as const)('%s', (profile, seconds) => {
    const bounds = failoverBounds(electionProfiles[profile], 30, all, undefined)
    expect(bounds.map((bound) => bound.seconds)).toEqual(seconds)
    expect(bounds.map(({ fault }, index) => fault.startsWith(kinds[index] ?? '?'))).not.toContain(false)
  })

  test('etcd loses its leader for two election timeouts, where there is an etcd', () => {
    expect(failoverBounds(fast, 30, all, 5).at(-1)).toMatchObject({ fault: 'leader of etcd lost', seconds: 10 })
    expect(failoverBounds(fast, 30, all, 0.5).at(-1)).toMatchObject({ seconds: 1 })
    expect(failoverBounds(fast, 30, all, undefined).map(({ fault }) => fault)).not.toContain('leader of etcd lost')
  })

  test.each([
    [{ peers: true, pods: false }, ['peer evidence', 'without evidence']],
    [{ peers: false, pods: true }, ['pod evidence', 'without evidence']],
    [{ peers: false, pods: false }, ['without evidence']],
  ])('only evidence that is acted upon shortens anything: %j', (evidence, expected) => {
    const faults = failoverBounds(fast, 30, evidence, undefined).map(({ fault }) => fault)
    const killed = faults.filter((fault) => fault.startsWith('killed'))
    expect(killed.map((fault) => expected.find((kind) => fault.endsWith(kind)))).toEqual(expected)
  })

  test('evidence that comes after the Lease has run out is none', () => {
    const shortest = { leaseDurationSeconds: 1, renewDeadlineSeconds: 1, retryPeriodSeconds: 1, abortBudgetSeconds: 1 }
    const faults = failoverBounds(shortest, 30, all, undefined).map(({ fault }) => fault)
    expect(faults).toContain('killed, with peer evidence')
    expect(faults).not.toContain('killed, with pod evidence')
  })

  test('every formula is made of the figures that lead to its result', () => {
    for (const { formula, seconds } of failoverBounds(electionProfiles.standard, 30, all, undefined)) {
      if (seconds === undefined || seconds === 0) continue
      const sum = [...formula.matchAll(/[0-9.]+/g)].reduce((total, [figure]) => total + Number(figure), 0)
      expect(sum).toBeCloseTo(seconds)
    }
  })

  test('the budget of the drain is named', () => {
    expect(failoverBounds(fast, 45, all, undefined)[0]?.note).toContain('45 s')
  })
})
