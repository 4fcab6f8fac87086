import { describe, expect, test } from '@jest/globals'
import { selectors } from '../../lib/checks/selectors.ts'
import { correctEnvironment, edited, found, object } from './fixtures.ts'

const shared = { 'app.kubernetes.io/instance': 'test' }
const unknown = { 'app.kubernetes.io/name': 'nobody' }
const agentLabels = ['spec', 'template', 'metadata', 'labels']

describe('Service and PodDisruptionBudget', () => {
  test('fails if a Service matches no pod', () => {
    expect(found(selectors, edited('Service/regent-control-plane', ['spec', 'selector'], unknown))).toEqual([
      "test.Service.regent-control-plane: expected a Service for the pods of exactly one workload in its namespace, got 'spec.selector' (app.kubernetes.io/name=nobody), which matches the pods of no workload, in Service regent-system/regent-control-plane; select by the labels of that workload's own selector",
    ])
  })

  test('fails if a Service matches pods of another namespace only', () => {
    expect(
      found(selectors, edited('Service/regent-control-plane', ['metadata', 'namespace'], 'regent-sessions')),
    ).toEqual([expect.stringContaining('which matches the pods of no workload')])
  })

  test('fails if a Service matches several workloads', () => {
    expect(found(selectors, edited('Service/regent-control-plane', ['spec', 'selector'], shared))).toEqual([
      expect.stringContaining(
        'which matches the pods of Deployment regent-system/regent-agent and Deployment regent-system/regent-control-plane and StatefulSet regent-system/regent-consensus,',
      ),
    ])
  })

  test('accepts a Service without a selector', () => {
    expect(found(selectors, edited('Service/regent-control-plane', ['spec', 'selector']))).toEqual([])
  })

  test('fails if a budget matches no pod', () => {
    const manifests = edited('PodDisruptionBudget/regent-agent', ['spec', 'selector', 'matchLabels'], unknown)
    expect(found(selectors, manifests)).toEqual([expect.stringContaining('test.PodDisruptionBudget.regent-agent: ')])
  })

  test.each([
    ['by a label that they share', { matchLabels: shared }],
    ['by an empty selector', {}],
    ['by an expression', { matchExpressions: [{ key: 'app.kubernetes.io/name', operator: 'Exists' }] }],
  ])('fails if a budget matches several workloads %s', (_, selector) => {
    expect(found(selectors, edited('PodDisruptionBudget/regent-agent', ['spec', 'selector'], selector))).toEqual([
      expect.stringContaining('which matches the pods of Deployment regent-system/regent-agent and'),
    ])
  })

  test.each([
    ['In', ['regent-agent'], true],
    ['NotIn', ['regent-control-plane', 'regent-consensus'], true],
    ['NotIn', ['regent-agent', 'regent-control-plane', 'regent-consensus'], false],
    ['In', ['nobody'], false],
    ['DoesNotExist', undefined, false],
    ['Exists', undefined, false],
  ])('reads the expression %s %s', (operator, values, accepted) => {
    const selector = { matchExpressions: [{ key: 'app.kubernetes.io/name', operator, values }] }
    const lines = found(selectors, edited('PodDisruptionBudget/regent-agent', ['spec', 'selector'], selector))
    expect(lines.length === 0).toBe(accepted)
  })
})

describe("a workload's own selector", () => {
  test('accepts labels and expressions together, also on labels that a pod does not have', () => {
    const selector = {
      matchLabels: { 'app.kubernetes.io/name': 'regent-agent' },
      matchExpressions: [
        { key: 'tier', operator: 'NotIn', values: ['batch'] },
        { key: 'role', operator: 'DoesNotExist' },
      ],
    }
    expect(found(selectors, edited('Deployment/regent-agent', ['spec', 'selector'], selector))).toEqual([])
  })

  test('fails if it is not contained in the labels of its pods', () => {
    const manifests = edited('Deployment/regent-agent', ['spec', 'selector', 'matchLabels'], unknown)
    expect(found(selectors, manifests)).toEqual([
      expect.stringContaining(
        "got 'spec.selector' (app.kubernetes.io/name=nobody) and pods labelled (app.kubernetes.io/name=regent-agent,app.kubernetes.io/instance=test)",
      ),
    ])
  })

  test('fails if there is none', () => {
    expect(found(selectors, edited('Deployment/regent-agent', ['spec', 'selector']))).toEqual([
      expect.stringContaining("got 'spec.selector' () and pods labelled"),
    ])
  })

  test.each(['app.kubernetes.io/version', 'pod-template-hash', 'regent.dev/configuration-hash'])(
    'fails if it contains the label %s',
    (key) => {
      const labels = { 'app.kubernetes.io/name': 'solo', [key]: 'x' }
      const solo = object(
        'apps/v1',
        'DaemonSet',
        'solo',
        { spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [] } } } },
        'regent-system',
      )
      expect(found(selectors, [...correctEnvironment(), solo])).toEqual([
        expect.stringContaining(`got 'spec.selector' with the label '${key}'`),
      ])
    },
  )

  test('fails if it matches the pods of another workload', () => {
    const labels = { 'app.kubernetes.io/name': 'regent-consensus', 'app.kubernetes.io/instance': 'test' }
    const snapshots = object(
      'batch/v1',
      'CronJob',
      'snapshots',
      { spec: { jobTemplate: { spec: { template: { metadata: { labels }, spec: { containers: [] } } } } } },
      'regent-system',
    )
    expect(found(selectors, [...correctEnvironment(), snapshots])).toEqual([
      expect.stringContaining('which matches the pods of CronJob regent-system/snapshots too'),
      expect.stringContaining('test.Service.regent-consensus-peers: '),
      expect.stringContaining('test.PodDisruptionBudget.regent-consensus: '),
    ])
  })
})

describe('NetworkPolicy', () => {
  const policy = 'NetworkPolicy/regent-control-plane'

  test('fails if it selects no pod', () => {
    expect(found(selectors, edited(policy, ['spec', 'podSelector', 'matchLabels'], unknown))).toEqual([
      expect.stringContaining("got 'spec.podSelector' (app.kubernetes.io/name=nobody), which matches the pods of no"),
    ])
  })

  test('fails if a peer is in its namespace and is no pod of it', () => {
    const peer = { podSelector: { matchLabels: unknown } }
    expect(found(selectors, edited(policy, ['spec', 'ingress', 0, 'from', 0], peer))).toEqual([
      expect.stringContaining("got 'spec.ingress' with a peer (app.kubernetes.io/name=nobody) that matches no pod"),
    ])
  })

  test.each([
    ['label', { matchLabels: { 'kubernetes.io/metadata.name': 'regent-system' } }],
    [
      'expression',
      { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['regent-system'] }] },
    ],
  ])('fails if a peer is in a namespace of the environment, named by a %s, and is no pod of it', (_, selector) => {
    const peer = { namespaceSelector: selector, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }
    expect(found(selectors, edited(policy, ['spec', 'egress', 1, 'to', 0], peer))).toEqual([
      expect.stringContaining(
        "got 'spec.egress' with a peer (k8s-app=kube-dns) that matches no pod of namespace 'regent-system'",
      ),
    ])
  })

  test('knows what runs in a namespace also where workloads run in others', () => {
    const other = object(
      'batch/v1',
      'Job',
      'job',
      { spec: { template: { metadata: { labels: unknown }, spec: { containers: [] } } } },
      'regent-sessions',
    )
    const manifests = [...edited(policy, ['spec', 'podSelector', 'matchLabels'], unknown), other]
    expect(found(selectors, manifests)).toEqual([expect.stringContaining("got 'spec.podSelector'")])
  })

  test('accepts namespaces that are selected by other labels', () => {
    const peer = {
      namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['regent-system'] }] },
      podSelector: { matchLabels: unknown },
    }
    expect(found(selectors, edited(policy, ['spec', 'ingress', 0, 'from', 0], peer))).toEqual([])
  })

  test.each(['ingress-system', 'regent-sessions'])(
    'accepts pods of %s, of which the environment does not know what runs there',
    (name) => {
      const peer = {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
        podSelector: { matchLabels: unknown },
      }
      expect(found(selectors, edited(policy, ['spec', 'ingress', 0, 'from', 0], peer))).toEqual([])
      expect(found(selectors, edited('NetworkPolicy/default-deny', ['metadata', 'namespace'], name))).toEqual([])
    },
  )

  test('has nothing to say about the correct environment', () => {
    expect(found(selectors, correctEnvironment())).toEqual([])
  })
})

test('fails if the labels of a pod template move away from everything that selects them', () => {
  expect(found(selectors, edited('Deployment/regent-agent', agentLabels, unknown))).toEqual([
    expect.stringContaining('test.Deployment.regent-agent: '),
    expect.stringContaining('test.PodDisruptionBudget.regent-agent: '),
    expect.stringContaining('test.NetworkPolicy.regent-control-plane: '),
  ])
})
