import { describe, expect, test } from '@jest/globals'
import { controlPlaneImage } from '../../control-plane/image/declaration.ts'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import type { PodTemplate } from '../../lib/checks/pods.ts'
import type { ManifestIndex } from '../../lib/output/manifest-index.ts'
import { composed, object } from '../support/composed.ts'

const system = 'regent-system'

interface StatefulSetSpec {
  readonly template: PodTemplate
}

function members(index: ManifestIndex): StatefulSetSpec {
  return object(index, 'StatefulSet', system, 'regent-consensus')['spec'] as StatefulSetSpec
}

function flags(index: ManifestIndex): readonly string[] {
  return (members(index).template.spec.containers[0] as { readonly args?: readonly string[] } | undefined)?.args ?? []
}

describe('members of etcd', () => {
  const index = composed(local)

  test('bootstrap in parallel behind names that resolve before anyone is ready', () => {
    expect(members(index)).toMatchObject({
      replicas: 3,
      podManagementPolicy: 'Parallel',
      serviceName: 'regent-consensus-peers',
    })
    expect(object(index, 'Service', system, 'regent-consensus-peers')['spec']).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    })
  })

  test('keep their data in a folder below the volume, which etcd can make private', () => {
    expect(flags(index)).toContain('--data-dir=/var/lib/etcd/data')
    expect(members(index).template.spec.containers[0]).toMatchObject({
      volumeMounts: [{ name: 'data', mountPath: '/var/lib/etcd' }],
    })
  })

  test('say the kind of their claims, so that no comparison with the cluster differs', () => {
    expect(members(index)).toMatchObject({
      volumeClaimTemplates: [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data' } }],
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    })
  })

  test('know each other from a ConfigMap, which a later joiner gets another version of', () => {
    const host = (ordinal: number) =>
      `regent-consensus-${ordinal}=http://regent-consensus-${ordinal}.regent-consensus-peers.regent-system.svc:2380`
    expect(object(index, 'ConfigMap', system, 'regent-consensus-membership')['data']).toEqual({
      ETCD_INITIAL_CLUSTER: [host(0), host(1), host(2)].join(','),
      ETCD_INITIAL_CLUSTER_STATE: 'new',
    })
    expect(flags(index).some((flag) => flag.startsWith('--initial-cluster='))).toBe(false)
    expect(members(index).template.spec.containers[0]?.envFrom).toEqual([
      { configMapRef: { name: 'regent-consensus-membership' } },
    ])
  })

  test('are probed by what needs no quorum, and are ready only with one', () => {
    expect(members(index).template.spec.containers[0]).toMatchObject({
      livenessProbe: { httpGet: { path: '/livez', port: 'health' } },
      startupProbe: { httpGet: { path: '/livez', port: 'health' }, periodSeconds: 1, failureThreshold: 300 },
      readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
    })
    expect(flags(index)).toContain('--listen-metrics-urls=http://0.0.0.0:8080')
  })

  test('never share a host', () => {
    const { affinity } = members(index).template.spec
    expect(affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toMatchObject([
      { topologyKey: 'kubernetes.io/hostname' },
    ])
  })

  test('spread over zones by force only where there are three', () => {
    const zones = (other: ManifestIndex) => members(other).template.spec.topologySpreadConstraints
    expect(zones(index)).toMatchObject([{ whenUnsatisfiable: 'ScheduleAnyway' }])
    expect(zones(composed(staging))).toMatchObject([{ whenUnsatisfiable: 'DoNotSchedule', minDomains: 3 }])
  })

  test.each([
    [3, 2],
    [5, 3],
    [7, 4],
    [11, 6],
  ])('%i of them keep a quorum of %i through a drain', (count, quorum) => {
    const budget = object(
      composed(local, { consensus: { members: count } }),
      'PodDisruptionBudget',
      system,
      'regent-consensus',
    )
    expect(budget['spec']).toMatchObject({ minAvailable: quorum, unhealthyPodEvictionPolicy: 'IfHealthyBudget' })
  })

  test('have no budget and no rule of placement when there is one, which a drain may always move', () => {
    const single = composed(dev)
    expect(single.find('PodDisruptionBudget', system, 'regent-consensus')).toBeUndefined()
    expect(members(single).template.spec.affinity).toBeUndefined()
  })

  test('need no token of the API server', () => {
    expect(members(index).template.spec).toMatchObject({ automountServiceAccountToken: false })
  })
})

describe('TLS of etcd', () => {
  const index = composed(staging)

  test('is demanded of members and clients alike', () => {
    expect(flags(index)).toEqual(
      expect.arrayContaining([
        '--client-cert-auth=true',
        '--peer-client-cert-auth=true',
        '--trusted-ca-file=/etc/etcd/server-tls/ca.crt',
        '--peer-trusted-ca-file=/etc/etcd/peer-tls/ca.crt',
        '--cert-file=/etc/etcd/server-tls/tls.crt',
        '--peer-key-file=/etc/etcd/peer-tls/tls.key',
      ]),
    )
    expect(flags(index).filter((flag) => flag.includes('http://'))).toEqual([
      '--listen-metrics-urls=http://0.0.0.0:8080',
    ])
  })

  test('takes its certificates from Secrets that somebody else provides', () => {
    for (const part of ['peer', 'server', 'client', 'root']) {
      const name = `regent-consensus-${part}-tls`
      expect(index.externals).toContainEqual(expect.objectContaining({ kind: 'Secret', namespace: system, name }))
    }
  })

  test('is not spoken of where it is off', () => {
    expect(flags(composed(local)).filter((flag) => flag.includes('cert'))).toEqual([])
  })
})

describe('the users of etcd', () => {
  const index = composed(staging)
  const deployment = (of: ManifestIndex) => of.find('Deployment', system, 'regent-consensus-access')

  test('are kept by a program of its own, which alone has the certificate of root', () => {
    const { template } = deployment(index)?.['spec'] as { readonly template: PodTemplate }
    expect(template.spec).toMatchObject({
      serviceAccountName: 'regent-consensus-access',
      automountServiceAccountToken: false,
      priorityClassName: 'regent-control-plane',
      containers: [
        {
          name: 'consensus-access',
          env: expect.arrayContaining([
            { name: 'ETCD_ENDPOINTS', value: 'https://regent-consensus.regent-system.svc:2379' },
            { name: 'ETCD_KEY_FILE', value: '/etc/regent/etcd-tls/tls.key' },
          ]) as unknown,
          volumeMounts: [{ name: 'etcd-tls', mountPath: '/etc/regent/etcd-tls', readOnly: true }],
        },
      ],
    })
    const holders = ['Deployment', 'StatefulSet']
      .flatMap((kind) => index.ofKind(kind))
      .filter((manifest) => JSON.stringify(manifest['spec']).includes('regent-consensus-root-tls'))
    expect(holders.map(({ metadata }) => metadata.name)).toEqual(['regent-consensus-access'])
  })

  test('are kept by a program that the image of the control plane holds', () => {
    const { template } = deployment(index)?.['spec'] as { readonly template: PodTemplate }
    const [, module = ''] =
      (template.spec.containers[0] as { readonly command?: readonly string[] } | undefined)?.command ?? []
    const bundled = controlPlaneImage.others.map((file) => `/app/${file.replace(/^.*\//, '').replace(/ts$/, 'mjs')}`)
    expect(bundled).toContain(module)
  })

  test('are let through by etcd and by nobody else', () => {
    const policy = object(index, 'NetworkPolicy', system, 'regent-consensus-access')['spec']
    expect(policy).toMatchObject({ policyTypes: ['Ingress', 'Egress'] })
    expect(policy).not.toHaveProperty('ingress')
    expect(JSON.stringify(object(index, 'NetworkPolicy', system, 'regent-consensus')['spec'])).toContain(
      '"app.kubernetes.io/name":"regent-consensus-access"',
    )
  })

  test('have certificates whose common names the cluster is asked for', () => {
    const purposes = (name: string) => index.externals.filter((one) => one.name === name).map(({ purpose }) => purpose)
    expect(purposes('regent-consensus-root-tls')).toEqual([expect.stringMatching(/common name root$/)])
    expect(purposes('regent-consensus-client-tls')).toEqual([
      expect.stringMatching(/common name regent-control-plane$/),
    ])
  })

  test('are none where etcd has no TLS by which to know them', () => {
    expect(deployment(composed(local))).toBeUndefined()
    expect(composed(local).find('NetworkPolicy', system, 'regent-consensus-access')).toBeUndefined()
  })

  test('are not asked for by JSON, whose callers etcd cannot tell apart', () => {
    expect(flags(index)).toContain('--enable-grpc-gateway=false')
  })
})

describe('the guard of the replicas', () => {
  test('looks at updates of this StatefulSet and of its scale', () => {
    const policy = object(composed(local), 'ValidatingAdmissionPolicy', undefined, 'regent-consensus-replicas')
    expect(policy['spec']).toMatchObject({
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: [
          {
            operations: ['UPDATE'],
            resources: ['statefulsets', 'statefulsets/scale'],
            resourceNames: ['regent-consensus'],
          },
        ],
      },
    })
  })
})

describe('storage of etcd', () => {
  test("is the cluster's default where none is named, and then required of the cluster", () => {
    const index = composed(local)
    expect(index.externals).toContainEqual(expect.objectContaining({ kind: 'DefaultStorageClass' }))
    expect(JSON.stringify(members(index))).not.toContain('storageClassName')
  })

  test('is an external class where the environment does not make it', () => {
    const index = composed(local, { consensus: { storage: { className: 'ceph-block' } } })
    expect(index.externals).toContainEqual(expect.objectContaining({ kind: 'StorageClass', name: 'ceph-block' }))
    expect(composed(staging).externals.filter(({ kind }) => kind === 'StorageClass')).toEqual([])
  })
})
