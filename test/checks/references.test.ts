import { describe, expect, test } from '@jest/globals'
import { references } from '../../lib/checks/references.ts'
import { correctEnvironment, edited, found, object } from './fixtures.ts'

const api = 'Deployment/regent-control-plane'
const pod = ['spec', 'template', 'spec']
const container = [...pod, 'containers', 0]

test('has nothing to say about the correct environment', () => {
  expect(found(references, correctEnvironment())).toEqual([])
})

test('names what is missing, and what there is', () => {
  expect(found(references, edited('Deployment/regent-agent', [...pod, 'serviceAccountName'], 'agent'))).toEqual([
    'test.Deployment.regent-agent: expected a ServiceAccount of this environment, or one that it declares as provided from outside (regent-agent), got serviceAccountName (ServiceAccount regent-system/agent) in Deployment regent-system/regent-agent; create it, name one that exists, or switch off what needs it',
  ])
})

describe('fails if a pod refers to what does not exist:', () => {
  test.each<[string, readonly (string | number)[], unknown, string]>([
    ['a PriorityClass', [...pod, 'priorityClassName'], 'x', 'PriorityClass x'],
    ['a pull secret', [...pod, 'imagePullSecrets'], [{ name: 'x' }], 'Secret regent-system/x'],
    ['a Secret as files', [...pod, 'volumes', 0, 'secret'], { secretName: 'x' }, 'Secret regent-system/x'],
    ['a ConfigMap as files', [...pod, 'volumes', 0], { name: 'v', configMap: { name: 'x' } }, 'ConfigMap'],
    [
      'a claim',
      [...pod, 'volumes', 0],
      { name: 'v', persistentVolumeClaim: { claimName: 'x' } },
      'PersistentVolumeClaim',
    ],
    [
      'the StorageClass of an ephemeral volume',
      [...pod, 'volumes', 0],
      { name: 'v', ephemeral: { volumeClaimTemplate: { spec: { storageClassName: 'x' } } } },
      'StorageClass x',
    ],
    ['a projected Secret', [...pod, 'volumes', 1, 'projected', 'sources', 0], { secret: { name: 'x' } }, 'Secret'],
    [
      'a projected ConfigMap',
      [...pod, 'volumes', 1, 'projected', 'sources', 0],
      { configMap: { name: 'x' } },
      'ConfigMap',
    ],
    [
      'a Secret as variable',
      [...container, 'env'],
      [{ name: 'A', valueFrom: { secretKeyRef: { name: 'x', key: 'k' } } }],
      "variable 'A' of container 'control-plane' (Secret regent-system/x)",
    ],
    [
      'a ConfigMap as variable',
      [...container, 'env'],
      [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'k' } } }],
      'ConfigMap regent-system/x',
    ],
    ['a Secret as variables', [...container, 'envFrom'], [{ secretRef: { name: 'x' } }], 'Secret regent-system/x'],
    ['a ConfigMap as variables', [...container, 'envFrom'], [{ configMapRef: { name: 'x' } }], 'ConfigMap'],
  ])('%s', (_, path, value, received) => {
    expect(found(references, edited(api, path, value))).toEqual([expect.stringContaining(received)])
  })

  test('an init container counts too', () => {
    const init = [{ name: 'init', image: 'i:1', envFrom: [{ secretRef: { name: 'x' } }] }]
    expect(found(references, edited(api, [...pod, 'initContainers'], init))).toHaveLength(1)
  })
})

test('says nothing of what there is where there is nothing', () => {
  expect(found(references, edited(api, [...pod, 'imagePullSecrets'], [{ name: 'x' }]))).toEqual([
    expect.stringContaining('provided from outside (api-tls, registry), got imagePullSecrets'),
  ])
  const elsewhere = edited('RoleBinding/regent-agent', ['subjects', 0, 'namespace'], 'regent-sessions')
  expect(found(references, elsewhere)).toEqual([
    expect.stringContaining('provided from outside, got subjects (ServiceAccount regent-sessions/regent-agent)'),
  ])
})

describe('accepts', () => {
  test.each<[string, readonly (string | number)[], unknown]>([
    ['an optional Secret', [...pod, 'volumes', 0, 'secret'], { secretName: 'x', optional: true }],
    [
      'an optional projection',
      [...pod, 'volumes', 1, 'projected', 'sources', 0],
      { secret: { name: 'x', optional: true } },
    ],
    [
      'an optional variable',
      [...container, 'env'],
      [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'k', optional: true } } }],
    ],
    ['optional variables', [...container, 'envFrom'], [{ secretRef: { name: 'x', optional: true } }]],
    ['a Secret from outside', [...container, 'envFrom'], [{ secretRef: { name: 'api-tls' } }]],
    ["Kubernetes' own PriorityClass", [...pod, 'priorityClassName'], 'system-node-critical'],
    ["a namespace's own ServiceAccount", [...pod, 'serviceAccountName'], 'default'],
  ])('%s', (_, path, value) => {
    expect(found(references, edited(api, path, value))).toEqual([])
  })
})

describe('keys', () => {
  const env = (reference: object) => edited(api, [...container, 'env'], [{ name: 'A', valueFrom: reference }])

  test('fails if a ConfigMap of the environment does not have the key', () => {
    const name = 'regent-consensus-membership'
    expect(found(references, env({ configMapKeyRef: { name, key: 'ETCD_INITIAL_CLUSTER' } }))).toEqual([])
    expect(found(references, env({ configMapKeyRef: { name, key: 'ETCD_NAME' } }))).toEqual([
      expect.stringContaining("with the key 'ETCD_NAME' in Deployment regent-system/regent-control-plane"),
    ])
  })

  test('fails if a Secret from outside is not declared with the key', () => {
    const files = (key: string) =>
      edited(api, [...pod, 'volumes', 0, 'secret'], { secretName: 'api-tls', items: [{ key, path: 'x' }] })
    expect(found(references, files('tls.key'))).toEqual([])
    expect(found(references, files('ca.crt'))).toEqual([expect.stringContaining("with the key 'ca.crt'")])
  })

  test('accepts any key of a Secret from outside that declares none', () => {
    expect(found(references, env({ secretKeyRef: { name: 'registry', key: 'any' } }))).toEqual([])
  })
})

describe('fails if another object refers to what does not exist:', () => {
  test.each<[string, readonly (string | number)[], unknown, string]>([
    ['StatefulSet/regent-consensus', ['spec', 'serviceName'], 'x', 'spec.serviceName (Service regent-system/x)'],
    [
      'StatefulSet/regent-consensus',
      ['spec', 'volumeClaimTemplates', 0, 'spec', 'storageClassName'],
      'x',
      "volumeClaimTemplate 'data' (StorageClass x)",
    ],
    [
      'HorizontalPodAutoscaler/regent-control-plane',
      ['spec', 'scaleTargetRef', 'name'],
      'x',
      'spec.scaleTargetRef (Deployment regent-system/x)',
    ],
    ['RoleBinding/regent-agent', ['roleRef', 'name'], 'x', 'roleRef (Role regent-system/x)'],
    ['RoleBinding/regent-agent', ['roleRef', 'kind'], 'ClusterRole', 'roleRef (ClusterRole regent-agent)'],
    ['RoleBinding/regent-agent', ['subjects', 0, 'name'], 'default', 'subjects (ServiceAccount regent-system/default)'],
    [
      'ValidatingAdmissionPolicyBinding/regent-fence',
      ['spec', 'policyName'],
      'x',
      'spec.policyName (ValidatingAdmissionPolicy x)',
    ],
  ])('%s %j', (what, path, value, received) => {
    expect(found(references, edited(what, path, value))).toEqual([expect.stringContaining(received)])
  })

  test('a claim of a StorageClass', () => {
    const claim = (storageClassName: string) =>
      object('v1', 'PersistentVolumeClaim', 'data', { spec: { storageClassName } }, 'regent-system')
    expect(found(references, [...correctEnvironment(), claim('x')])).toEqual([
      expect.stringContaining('spec.storageClassName (StorageClass x)'),
    ])
    expect(found(references, [...correctEnvironment(), claim('')])).toEqual([])
  })

  test.each(['system:auth-delegator', 'view', 'edit', 'admin', 'cluster-admin'])(
    "but accepts Kubernetes' own ClusterRole %s",
    (name) => {
      const binding = object('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'regent', {
        roleRef: { kind: 'ClusterRole', name },
        subjects: [{ kind: 'Group', name: 'people' }],
      })
      expect(found(references, [...correctEnvironment(), binding])).toEqual([])
    },
  )
})

describe('namespaces', () => {
  test('fails if an object is in a namespace that the environment does not emit', () => {
    expect(found(references, edited('LimitRange/regent', ['metadata', 'namespace'], 'regent'))).toEqual([
      expect.stringContaining(
        "expected a namespace that this environment emits (regent-sessions, regent-system), got 'metadata.namespace' (regent)",
      ),
    ])
  })

  test('fails if an object of a namespaced kind has none', () => {
    expect(found(references, edited('LimitRange/regent', ['metadata', 'namespace']))).toEqual([
      expect.stringContaining("expected a namespace for a LimitRange, got no 'metadata.namespace'"),
    ])
  })

  test('accepts kube-system, which every cluster has', () => {
    expect(found(references, edited('LimitRange/regent', ['metadata', 'namespace'], 'kube-system'))).toEqual([])
  })
})
