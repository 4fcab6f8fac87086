import { describe, expect, test } from '@jest/globals'
import { quotas } from '../../lib/checks/quotas.ts'
import { amounts, correctEnvironment, edited, found, object } from './fixtures.ts'

const quota = 'ResourceQuota/regent'
const hard = (limits: object) => found(quotas, edited(quota, ['spec', 'hard'], limits))
const container = ['spec', 'template', 'spec', 'containers', 0, 'resources']

test('has nothing to say about the correct environment', () => {
  expect(found(quotas, correctEnvironment())).toEqual([])
})

describe('fails if the workloads at their most and in an update exceed', () => {
  test('the requested CPU, and says who takes how much', () => {
    expect(hard({ 'requests.cpu': '1999m' })).toEqual([
      "test.ResourceQuota.regent: expected room for everything that the environment runs in the namespace, got 'requests.cpu' (1999m) for workloads that take 2 at their most, updates included (regent-agent 4 × 100m, regent-control-plane 13 × 100m, regent-consensus 3 × 100m), in ResourceQuota regent-system/regent; raise 'requests.cpu' to 2 or more, or lower replicas, 'maxReplicas' or what a pod takes",
    ])
  })

  test.each([
    ['cpu', '1999m', '2'],
    ['limits.cpu', '1999m', '2'],
    ['memory', '2559Mi', '2560Mi'],
    ['requests.memory', '2559Mi', '2560Mi'],
    ['limits.memory', '2559Mi', '2560Mi'],
    ['ephemeral-storage', '1279Mi', '1280Mi'],
    ['requests.ephemeral-storage', '1279Mi', '1280Mi'],
    ['limits.ephemeral-storage', '1279Mi', '1280Mi'],
    ['pods', 19, '20'],
    ['count/pods', 19, '20'],
    ['persistentvolumeclaims', 2, '3'],
    ['count/persistentvolumeclaims', 2, '3'],
    ['requests.storage', '23Gi', '24Gi'],
  ])('%s of %s', (resource, tooLittle, enough) => {
    expect(hard({ [resource]: tooLittle })).toEqual([
      expect.stringContaining(`got '${resource}' (${tooLittle}) for workloads that take ${enough} at their most`),
    ])
    expect(hard({ [resource]: enough })).toEqual([])
  })

  test('the limits, where they are more than the requests', () => {
    const manifests = edited('Deployment/regent-agent', [...container, 'limits', 'cpu'], '200m')
    const spec = manifests.find(({ kind }) => kind === 'ResourceQuota')?.['spec'] as { hard: object }
    spec.hard = { 'requests.cpu': '2', 'limits.cpu': '2' }
    expect(found(quotas, manifests)).toEqual([
      expect.stringContaining("got 'limits.cpu' (2) for workloads that take 2400m"),
    ])
  })

  test('and names only those that take something', () => {
    const manifests = edited('Deployment/regent-agent', [...container, 'requests', 'cpu'], '0')
    const spec = manifests.find(({ kind }) => kind === 'ResourceQuota')?.['spec'] as { hard: object }
    spec.hard = { cpu: '1' }
    expect(found(quotas, manifests)).toEqual([
      expect.stringContaining('(regent-control-plane 13 × 100m, regent-consensus 3 × 100m)'),
    ])
  })

  test('claims of their own included', () => {
    const claim = object(
      'v1',
      'PersistentVolumeClaim',
      'data',
      { spec: { resources: { requests: { storage: '1Gi' } } } },
      'regent-system',
    )
    expect(found(quotas, [...correctEnvironment(), claim])).toEqual([
      expect.stringContaining('(data 1 × 1, regent-consensus 3 × 1)'),
    ])
  })
})

describe('counts as Kubernetes does:', () => {
  const twentyPods = (manifests: ReturnType<typeof edited>) => found(quotas, manifests)

  test('an update that removes every pod first takes no more', () => {
    const manifests = edited('Deployment/regent-agent', ['spec', 'strategy'], { type: 'Recreate' })
    const limit = manifests.find(({ kind }) => kind === 'ResourceQuota')?.['spec'] as { hard: Record<string, unknown> }
    limit.hard['pods'] = 19
    expect(twentyPods(manifests)).toEqual([])
  })

  test('a DaemonSet has a pod on every node, a Job as many as run in parallel', () => {
    const spec = { containers: [{ name: 'c', image: 'c:1', resources: { requests: amounts, limits: amounts } }] }
    const daemons = object('apps/v1', 'DaemonSet', 'daemons', { spec: { template: { spec } } }, 'regent-system')
    const job = object('batch/v1', 'Job', 'job', { spec: { parallelism: 2, template: { spec } } }, 'regent-system')
    const jobs = { jobTemplate: { spec: { parallelism: 3, template: { spec } } } }
    const cronJob = object('batch/v1', 'CronJob', 'cron', { spec: jobs }, 'regent-system')
    expect(twentyPods([...correctEnvironment(), daemons, job, cronJob])).toContainEqual(
      expect.stringContaining("'pods' (20) for workloads that take 29 at their most"),
    )
  })

  test('an init container counts where it takes more than all that follow, a sidecar always', () => {
    const init = (resources: object, restartPolicy?: string) =>
      found(
        quotas,
        edited(
          'Deployment/regent-agent',
          ['spec', 'template', 'spec', 'initContainers'],
          [{ name: 'init', image: 'i:1', restartPolicy, resources: { requests: { ...amounts, ...resources } } }],
        ),
      )
    expect(init({})).toEqual([])
    expect(init({ cpu: '150m' })).toEqual([expect.stringContaining('regent-agent 4 × 150m')])
    expect(init({ memory: '0' }, 'Always')).toEqual([expect.stringContaining('regent-agent 4 × 200m')])
    expect(init({ cpu: '200m', memory: '0' }, 'Always')).toEqual([expect.stringContaining('regent-agent 4 × 300m')])
  })

  test('an init container runs beside the sidecars before it', () => {
    const resources = (cpu: string) => ({ requests: { ...amounts, memory: '0', cpu } })
    const containers = [
      { name: 'sidecar', image: 's:1', restartPolicy: 'Always', resources: resources('50m') },
      { name: 'init', image: 'i:1', resources: resources('120m') },
    ]
    const path = ['spec', 'template', 'spec', 'initContainers']
    expect(found(quotas, edited('Deployment/regent-agent', path, containers))).toEqual([
      expect.stringContaining('regent-agent 4 × 170m'),
    ])
    expect(found(quotas, edited('Deployment/regent-agent', path, containers.toReversed()))).toEqual([
      expect.stringContaining('regent-agent 4 × 150m'),
    ])
  })

  test('other namespaces and quotas with scopes are left alone', () => {
    expect(found(quotas, edited(quota, ['metadata', 'namespace'], 'regent-sessions'))).toEqual([])
    const scoped = (field: object) => found(quotas, edited(quota, ['spec'], { hard: { pods: 1 }, ...field }))
    expect(scoped({ scopes: ['BestEffort'] })).toEqual([])
    expect(scoped({ scopeSelector: {} })).toEqual([])
    expect(scoped({})).toHaveLength(1)
  })
})

describe('a container states what a quota counts', () => {
  const silent = (limits: object) => {
    const manifests = edited('Deployment/regent-agent', container, {})
    const range = manifests.find(({ kind }) => kind === 'LimitRange')?.['spec'] as { limits: object[] }
    range.limits = [{ type: 'Container', ...limits }]
    return found(quotas, manifests)
  }

  test('fails if it does not', () => {
    expect(silent({})).toEqual([
      expect.stringContaining("got container 'agent' without 'requests.cpu' in Deployment regent-system/regent-agent"),
      expect.stringContaining("because ResourceQuota 'regent' counts 'memory'"),
    ])
  })

  test('accepts a default of the namespace', () => {
    expect(silent({ default: amounts })).toEqual([])
    expect(silent({ defaultRequest: amounts })).toEqual([])
    expect(silent({ default: { cpu: '1', memory: '1Gi' }, defaultRequest: amounts })).toEqual([])
  })
})
