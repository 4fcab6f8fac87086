import { describe, expect, test } from '@jest/globals'
import { spread } from '../../lib/checks/spread.ts'
import { correctEnvironment, edited, found } from './fixtures.ts'

const agent = 'Deployment/regent-agent'
const terms = [
  'spec',
  'template',
  'spec',
  'affinity',
  'podAntiAffinity',
  'requiredDuringSchedulingIgnoredDuringExecution',
]
const constraint = ['spec', 'template', 'spec', 'topologySpreadConstraints', 0]
const strategy = ['spec', 'strategy', 'rollingUpdate']

test('has nothing to say about the correct environment', () => {
  expect(found(spread, correctEnvironment())).toEqual([])
})

describe('required anti-affinity', () => {
  test('fails if there are fewer nodes than replicas and the surge of an update', () => {
    expect(found(spread, correctEnvironment(), { nodes: 3 })).toEqual([
      "test.Deployment.regent-agent: expected at least 4 in 'cluster.nodes', one for each pod, got required anti-affinity by 'kubernetes.io/hostname' for 'replicas' (3) and 'maxSurge' (1) with 'maxUnavailable' (0) and 'cluster.nodes' (3) in Deployment regent-system/regent-agent; lower the replicas to 2, add to 'cluster.nodes', or prefer to spread instead of requiring it",
    ])
  })

  test('accepts as many nodes as replicas where an update may take one away, and no fewer', () => {
    const manifests = edited(agent, strategy, { maxSurge: 1, maxUnavailable: 1 })
    expect(found(spread, manifests, { nodes: 3 })).toEqual([])
    expect(found(spread, manifests, { nodes: 2 })).toEqual([expect.stringContaining("for 'replicas' (3) and 'cluster")])
  })

  test.each([
    ['the defaults, of which a quarter of 3 rounds up to 1 and down to 0', undefined, 1],
    ['percentages', { maxSurge: '50%', maxUnavailable: '25%' }, 1],
    ['neither, where one pod may be missing', { maxSurge: 0, maxUnavailable: 0 }, 0],
  ])('reads %s', (_, update, problems) => {
    expect(found(spread, edited(agent, strategy, update), { nodes: 3 })).toHaveLength(problems)
  })

  test('accepts that pods of different versions share a node', () => {
    const manifests = edited(agent, [...terms, 0, 'matchLabelKeys'], ['pod-template-hash'])
    expect(found(spread, manifests, { nodes: 3 })).toEqual([])
  })

  test('accepts an update that removes every pod first', () => {
    expect(found(spread, edited(agent, ['spec', 'strategy'], { type: 'Recreate' }), { nodes: 3 })).toEqual([])
  })

  test('fails if zones are required that do not exist', () => {
    const manifests = edited(agent, [...terms, 0, 'topologyKey'], 'topology.kubernetes.io/zone')
    expect(found(spread, manifests, { zones: ['a', 'b'] })).toEqual([
      expect.stringContaining("and 'cluster.zones' (2)"),
      expect.stringContaining("'minDomains'"),
    ])
  })

  test('fails if an autoscaler may add pods beyond the nodes', () => {
    const selector = { matchLabels: { 'app.kubernetes.io/name': 'regent-control-plane' } }
    const affinity = {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: selector },
        ],
      },
    }
    const manifests = edited('Deployment/regent-control-plane', ['spec', 'template', 'spec', 'affinity'], affinity)
    expect(found(spread, manifests, { nodes: 9 })).toEqual([expect.stringContaining("for 'replicas' (10)")])
  })

  test('accepts that members of a StatefulSet, which replaces them one by one, fill every node', () => {
    const selector = { matchLabels: { 'app.kubernetes.io/name': 'regent-consensus' } }
    const required = { topologyKey: 'kubernetes.io/hostname', labelSelector: selector }
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [required] } }
    const manifests = edited('StatefulSet/regent-consensus', ['spec', 'template', 'spec', 'affinity'], affinity)
    const consensus = manifests.filter(({ kind }) => kind === 'StatefulSet')
    expect(found(spread, consensus, { nodes: 3 })).toEqual([])
    expect(found(spread, consensus, { nodes: 2 })).toHaveLength(1)
  })

  test('leaves a DaemonSet alone, which has a pod per node anyway', () => {
    const term = { topologyKey: 'topology.kubernetes.io/zone', labelSelector: {} }
    const manifests = edited(agent, [...terms, 0], term).map((manifest) =>
      manifest.kind === 'Deployment' ? { ...manifest, kind: 'DaemonSet' } : manifest,
    )
    expect(found(spread, manifests)).toEqual([])
  })

  test.each([
    ['pods other than its own', [...terms, 0, 'labelSelector', 'matchLabels'], { app: 'other' }],
    ['a label of which nothing is known', [...terms, 0, 'topologyKey'], 'example.com/rack'],
  ])('accepts distance from %s', (_, path, value) => {
    expect(found(spread, edited(agent, path, value), { nodes: 1 })).toEqual([])
  })
})

describe('topologySpreadConstraints', () => {
  test('fails if more zones are demanded than there are', () => {
    expect(found(spread, correctEnvironment(), { zones: ['a', 'b'] })).toEqual([
      expect.stringContaining("got 'minDomains' (3) by 'topology.kubernetes.io/zone' and 'cluster.zones' (2)"),
    ])
  })

  test('fails if more nodes are demanded than there are', () => {
    const manifests = edited(agent, constraint, {
      maxSkew: 1,
      minDomains: 5,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'DoNotSchedule',
    })
    expect(found(spread, manifests)).toEqual([
      expect.stringContaining("got 'minDomains' (5) by 'kubernetes.io/hostname' and 'cluster.nodes' (4)"),
    ])
  })

  test('accepts what is only preferred', () => {
    const manifests = edited(agent, [...constraint, 'whenUnsatisfiable'], 'ScheduleAnyway')
    expect(found(spread, manifests, { zones: ['a'] })).toEqual([])
  })
})
