import { describe, expect, test } from '@jest/globals'
import { dev } from '../../environments/dev.ts'
import { staging } from '../../environments/staging.ts'
import { composed, object } from '../support/composed.ts'

describe('namespaces', () => {
  test.each(['regent-system', 'regent-sessions'])('%s is restricted at the version of the environment', (name) => {
    expect(object(composed(staging), 'Namespace', undefined, name).metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'v1.33',
      'pod-security.kubernetes.io/warn': 'restricted',
      'pod-security.kubernetes.io/audit': 'restricted',
    })
  })

  test('say where their manifests come from, and the weight of their region', () => {
    const index = composed(staging, { repositoryUrl: 'https://git.test/ours', region: { weight: 3 } })
    expect(object(index, 'Namespace', undefined, 'regent-system').metadata.annotations).toEqual({
      'regent.dev/source-repository': 'https://git.test/ours',
      'regent.dev/region-weight': '3',
    })
  })
})

describe('quotas', () => {
  test('of the system are those of the foundation', () => {
    expect(object(composed(staging), 'ResourceQuota', 'regent-system', 'regent-quota')['spec']).toEqual({
      hard: { 'requests.cpu': '100', 'requests.memory': '200Gi', pods: '500', persistentvolumeclaims: '100' },
    })
  })

  test('of the sessions follow the limits of the agent', () => {
    const index = composed(staging, { agent: { sessions: { maxSessions: 7, maxCpu: '9', maxMemory: '11Gi' } } })
    expect(object(index, 'ResourceQuota', 'regent-sessions', 'regent-quota')['spec']).toEqual({
      hard: {
        'requests.cpu': '9',
        'requests.memory': '11Gi',
        pods: '7',
        persistentvolumeclaims: '7',
        'count/deployments.apps': '7',
        services: '7',
      },
    })
    expect(index.origin(object(index, 'ResourceQuota', 'regent-sessions', 'regent-quota'))).toBe(
      'staging.agent.sessions',
    )
  })
})

describe('priorities', () => {
  test('put etcd above the control plane above the agents, all below the system', () => {
    const values = composed(staging)
      .ofKind('PriorityClass')
      .map((one) => [one.metadata.name, Number(one['value'])] as const)
      .sort(([, a], [, b]) => b - a)
    expect(values.map(([name]) => name)).toEqual(['regent-consensus', 'regent-control-plane', 'regent-agent'])
    expect(values.every(([, value]) => value < 1_000_000_000)).toBe(true)
  })

  test('exist only for what runs', () => {
    const agentsOnly = composed(staging, {
      controlPlane: null,
      consensus: null,
      agent: { controlPlane: { url: 'https://cp.test', cidrs: ['192.0.2.0/24'], apiKeySecretName: 'key' } },
    })
    expect(agentsOnly.ofKind('PriorityClass').map(({ metadata }) => metadata.name)).toEqual(['regent-agent'])
  })
})

describe('StorageClasses', () => {
  test('are left to the cluster by default', () => {
    expect(composed(dev).ofKind('StorageClass')).toEqual([])
  })

  test('on EKS are encrypted gp3 with their performance, kept or deleted with their claim', () => {
    const index = composed(staging)
    expect(object(index, 'StorageClass', undefined, 'fast-ssd')).toMatchObject({
      provisioner: 'ebs.csi.aws.com',
      parameters: { type: 'gp3', iops: '16000', throughput: '1000', encrypted: 'true' },
      reclaimPolicy: 'Retain',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    })
    expect(object(index, 'StorageClass', undefined, 'standard-ssd')).toMatchObject({
      parameters: { iops: '3000', throughput: '125' },
      reclaimPolicy: 'Delete',
    })
    expect(index.externals).toContainEqual(expect.objectContaining({ kind: 'CSIDriver', name: 'ebs.csi.aws.com' }))
  })

  test.each([
    ['gke', { type: 'pd-balanced', 'replication-type': 'regional-pd' }],
    ['aks', { skuName: 'Premium_ZRS' }],
  ] as const)('on %s can be regional', (cloud, parameters) => {
    const index = composed(staging, { cluster: { cloud }, foundation: { storageClasses: { regional: true } } })
    expect(object(index, 'StorageClass', undefined, 'regional-ssd')).toMatchObject({ parameters })
  })

  test('on premises are made by the driver that the environment names, without parameters that it may not know', () => {
    const index = composed(staging, {
      cluster: { cloud: 'on-premises' },
      foundation: { storageClasses: { onPremisesProvisioner: 'csi.example.test' } },
    })
    const fast = object(index, 'StorageClass', undefined, 'fast-ssd')
    expect(fast).toMatchObject({ provisioner: 'csi.example.test' })
    expect(fast).not.toHaveProperty('parameters')
  })
})
