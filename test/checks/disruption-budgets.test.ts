import { describe, expect, test } from '@jest/globals'
import { disruptionBudgets } from '../../lib/checks/disruption-budgets.ts'
import { correctEnvironment, edited, found, object } from './fixtures.ts'

const selectorOf = (name: string) => ({
  matchLabels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': 'test' },
})

/** Problems of the budget of the three agents, or of as many replicas as said. */
function budget(spec: object, replicas = 3, name = 'regent-agent', kind = 'Deployment') {
  const budgets = edited(`PodDisruptionBudget/${name}`, ['spec'], { selector: selectorOf(name), ...spec })
  const workloads = edited(`${kind}/${name}`, ['spec', 'replicas'], replicas)
  return found(disruptionBudgets, [
    ...budgets.filter(({ kind }) => kind === 'PodDisruptionBudget'),
    ...workloads.filter(({ kind }) => kind !== 'PodDisruptionBudget'),
  ])
}

test('has nothing to say about the correct environment', () => {
  expect(found(disruptionBudgets, correctEnvironment())).toEqual([])
})

describe('a drain ends', () => {
  test('fails if every replica must stay', () => {
    expect(budget({ minAvailable: 3 })).toEqual([
      "test.PodDisruptionBudget.regent-agent: expected a budget that lets at least one pod go: no drain of its nodes could ever end, got 'minAvailable' (3) for the 3 'replicas' of Deployment regent-system/regent-agent, which allows 0 of them to go, in PodDisruptionBudget regent-system/regent-agent; set 'maxUnavailable' to 1 or add replicas",
    ])
  })

  test.each([
    ['80 % of 4 rounds up to 4', { minAvailable: '80%' }, 4],
    ['more must stay than there are', { minAvailable: 4 }, 3],
    ['none may go', { maxUnavailable: 0 }, 3],
    ['0 % may go', { maxUnavailable: '0%' }, 3],
    ['the only one must stay', { minAvailable: 1 }, 1],
    ['a share of the only one must stay', { minAvailable: '1%' }, 1],
  ])('fails if %s', (_, spec, replicas) => {
    expect(budget(spec, replicas)).toEqual([expect.stringContaining('which allows 0 of them to go')])
  })

  test('fails if the fewest replicas of an autoscaler must all stay', () => {
    const fewest = edited('HorizontalPodAutoscaler/regent-control-plane', ['spec', 'minReplicas'], 3)
    expect(found(disruptionBudgets, fewest)).toEqual([
      expect.stringContaining("'minAvailable' (80%) for the 3 'replicas'"),
    ])
  })

  test.each([
    ['80 % of 5 is 4', { minAvailable: '80%' }, 5],
    ['1 % of 3 rounds up to 1', { maxUnavailable: '1%' }, 3],
    ['the only one may go', { maxUnavailable: 1 }, 1],
  ])('accepts that %s', (_, spec, replicas) => {
    expect(budget(spec, replicas)).toEqual([])
  })

  test.each([
    ['of the bound that is set, and of the way out', { maxUnavailable: 0 }, 3, "'maxUnavailable' (0)", 'add replicas'],
    ['of the way out for a single replica', { minAvailable: 1 }, 1, "'minAvailable' (1)", 'run two replicas'],
  ])('speaks %s', (_, spec, replicas, received, fix) => {
    expect(budget(spec, replicas)).toEqual([expect.stringContaining(`got ${received} for`)])
    expect(budget(spec, replicas)).toEqual([expect.stringMatching(new RegExp(`; .*${fix}$`))])
  })

  test.each([
    [
      'both',
      { minAvailable: 1, maxUnavailable: 1 },
      "'minAvailable' (1) and 'maxUnavailable' (1)",
      'remove one of them',
    ],
    ['none', {}, "neither 'minAvailable' nor 'maxUnavailable'", 'set one of them'],
  ])('fails if %s of the two bounds are set', (_, spec, received, fix) => {
    expect(budget(spec)).toEqual([expect.stringContaining(received)])
    expect(budget(spec)).toEqual([expect.stringContaining(`; ${fix}`)])
  })
})

describe('a drain leaves something', () => {
  const without = (name: string, replicas: number, kind = 'Deployment') =>
    found(
      disruptionBudgets,
      edited(`${kind}/${name}`, ['spec', 'replicas'], replicas).filter(
        ({ kind: one, metadata }) => one !== 'PodDisruptionBudget' || metadata.name !== name,
      ),
    )

  test('fails if two replicas have no budget', () => {
    expect(without('regent-agent', 2)).toEqual([
      expect.stringContaining('test.Deployment.regent-agent: expected a budget for more than one replica'),
    ])
    expect(without('regent-consensus', 3, 'StatefulSet')).toHaveLength(1)
  })

  test('accepts Jobs without one: a pod that is evicted is made again', () => {
    const job = object('batch/v1', 'Job', 'job', { spec: { parallelism: 2, template: { spec: {} } } }, 'regent-system')
    expect(found(disruptionBudgets, [...correctEnvironment(), job])).toEqual([])
  })

  test('accepts a single replica without one', () => {
    expect(without('regent-agent', 1)).toEqual([])
  })
})

describe('etcd keeps its quorum', () => {
  const members = (spec: object, count: number) => budget(spec, count, 'regent-consensus', 'StatefulSet')

  test.each([
    [3, { minAvailable: 1 }, 1],
    [5, { minAvailable: 2 }, 2],
    [7, { maxUnavailable: 4 }, 3],
    [11, { maxUnavailable: '50%' }, 5],
  ])('fails if of %i members too many may go', (count, spec, tolerated) => {
    expect(members(spec, count)).toEqual([
      expect.stringContaining(
        `expected at most ${tolerated} to go: ${count} members of etcd need ${count - tolerated} for quorum`,
      ),
    ])
    expect(members(spec, count)).toEqual([
      expect.stringContaining(`; set 'minAvailable' to ${count - tolerated} or more`),
    ])
  })

  test.each([3, 5, 7, 9, 11])('accepts that the smaller half of %i may go', (count) => {
    expect(members({ minAvailable: Math.floor(count / 2) + 1 }, count)).toEqual([])
    expect(members({ maxUnavailable: 1 }, count)).toEqual([])
  })

  test('fails if a single member has a budget at all', () => {
    expect(members({ minAvailable: 1 }, 1)).toEqual([expect.stringContaining('no drain')])
    expect(members({ maxUnavailable: 1 }, 1)).toEqual([
      expect.stringMatching(/expected at most 0 to go: .*; remove the budget, or run three members$/),
    ])
  })
})
