import type { Problem } from '@regent/contract/problem.ts'
import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { podReferences, type Reference, storageClass } from './pod-references.ts'
import { type AutoscalerSpec, type ClaimSpec, type Workload, workloadsOf } from './workloads.ts'

/**
 * Everything that is named exists: the environment emits it or declares that something else provides it. Kubernetes
 * accepts any name; a missing Secret leaves pods in `ContainerCreating`, a missing role or ServiceAccount shows as a
 * refused request, a missing StorageClass as a claim that is never bound. References marked `optional` may dangle.
 */
export const references: Check = (index) => [
  ...index.manifests.flatMap((manifest) => namespaceProblems(index, manifest)),
  ...workloadsOf(index).flatMap((workload) =>
    problemsOf(index, workload.manifest, [...podReferences(workload), ...workloadReferences(workload)]),
  ),
  ...index.manifests.flatMap((manifest) => problemsOf(index, manifest, objectReferences(manifest))),
]

function workloadReferences({ namespace, spec }: Workload): readonly Reference[] {
  return [
    ...(spec.serviceName === undefined
      ? []
      : [{ kind: 'Service', namespace, name: spec.serviceName, at: 'spec.serviceName' }]),
    ...(spec.volumeClaimTemplates ?? []).flatMap((claim) =>
      storageClass(claim.spec.storageClassName, `volumeClaimTemplate '${claim.metadata.name}'`),
    ),
  ]
}

interface RoleReference {
  readonly kind: string
  readonly name: string
}
interface Subject {
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

/** What an object other than a workload refers to. */
function objectReferences(manifest: Manifest): readonly Reference[] {
  const { namespace } = manifest.metadata
  switch (manifest.kind) {
    case 'PersistentVolumeClaim':
      return storageClass((manifest['spec'] as ClaimSpec).storageClassName, 'spec.storageClassName')
    case 'HorizontalPodAutoscaler': {
      const { kind, name } = (manifest['spec'] as AutoscalerSpec).scaleTargetRef
      return [{ kind, namespace, name, at: 'spec.scaleTargetRef' }]
    }
    case 'RoleBinding':
    case 'ClusterRoleBinding': {
      const roleRef = manifest['roleRef'] as RoleReference
      const subjects = (manifest['subjects'] ?? []) as readonly Subject[]
      return [
        {
          kind: roleRef.kind,
          namespace: roleRef.kind === 'Role' ? namespace : undefined,
          name: roleRef.name,
          at: 'roleRef',
        },
        ...subjects
          .filter(({ kind }) => kind === 'ServiceAccount')
          .map((subject) => ({
            kind: 'ServiceAccount',
            namespace: subject.namespace ?? namespace,
            name: subject.name,
            at: 'subjects',
          })),
      ]
    }
    case 'ValidatingAdmissionPolicyBinding': {
      const { policyName } = manifest['spec'] as { readonly policyName: string }
      return [{ kind: 'ValidatingAdmissionPolicy', namespace: undefined, name: policyName, at: 'spec.policyName' }]
    }
    default:
      return []
  }
}

function problemsOf(index: ManifestIndex, manifest: Manifest, wanted: readonly Reference[]): readonly Problem[] {
  return wanted.flatMap((reference) => {
    const { kind, namespace, name, at } = reference
    const shown = `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
    if (isBuiltIn(reference)) return []
    if (!index.resolves(kind, namespace, name))
      return problemWith(index, manifest, {
        received: `${at} (${shown})`,
        expected: `a ${kind} of this environment, or one that it declares as provided from outside${known(index, kind, namespace)}`,
        fix: 'create it, name one that exists, or switch off what needs it',
      })
    const missing = missingKeys(index, reference)
    if (missing.length === 0) return []
    return problemWith(index, manifest, {
      received: `${at} (${shown}) with the key ${missing.map((key) => `'${key}'`).join(', ')}`,
      expected: `keys that the ${kind} has`,
      fix: 'add the key or refer to one that exists',
    })
  })
}

/** What is in every cluster, or in every namespace, without anybody's doing. */
function isBuiltIn({ kind, name, at }: Reference): boolean {
  switch (kind) {
    case 'PriorityClass':
      return ['system-node-critical', 'system-cluster-critical'].includes(name)
    case 'ClusterRole':
      return name.startsWith('system:') || ['view', 'edit', 'admin', 'cluster-admin'].includes(name)
    case 'ConfigMap':
      return name === 'kube-root-ca.crt'
    case 'ServiceAccount':
      return name === 'default' && at === 'serviceAccountName'
    default:
      return false
  }
}

/** Keys that are needed and that an object is known not to have; of what comes from outside only what is declared. */
function missingKeys(index: ManifestIndex, { kind, namespace, name, keys = [] }: Reference): readonly string[] {
  const emitted = index.find(kind, namespace, name)
  const external = index.externals.find((one) => one.kind === kind && one.namespace === namespace && one.name === name)
  const present =
    emitted === undefined
      ? external?.keys
      : ['data', 'binaryData', 'stringData'].flatMap((field) => Object.keys(emitted[field] ?? {}))
  return present === undefined ? [] : keys.filter((key) => !present.includes(key))
}

function known(index: ManifestIndex, kind: string, namespace: string | undefined): string {
  const names = [
    ...index.ofKind(kind).filter((one) => one.metadata.namespace === namespace),
    ...index.externals
      .filter((one) => one.kind === kind && one.namespace === namespace)
      .map((metadata) => ({ metadata })),
  ].map(({ metadata }) => metadata.name)
  return names.length === 0 ? '' : ` (${names.toSorted().join(', ')})`
}

/** Kinds that live in a namespace: without one they would go wherever the reader's kubectl points. */
const namespacedKinds = [
  'ConfigMap',
  'CronJob',
  'DaemonSet',
  'Deployment',
  'EndpointSlice',
  'HorizontalPodAutoscaler',
  'Ingress',
  'Job',
  'Lease',
  'LimitRange',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'PodDisruptionBudget',
  'ResourceQuota',
  'Role',
  'RoleBinding',
  'Secret',
  'Service',
  'ServiceAccount',
  'StatefulSet',
]

function namespaceProblems(index: ManifestIndex, manifest: Manifest): readonly Problem[] {
  const { namespace } = manifest.metadata
  if (namespace === undefined) {
    if (!namespacedKinds.includes(manifest.kind)) return []
    return [
      problemWith(index, manifest, {
        received: `no 'metadata.namespace'`,
        expected: `a namespace for a ${manifest.kind}`,
        fix: 'state the namespace',
      }),
    ]
  }
  if (namespace === 'kube-system' || index.find('Namespace', undefined, namespace) !== undefined) return []
  return [
    problemWith(index, manifest, {
      received: `'metadata.namespace' (${namespace})`,
      expected: `a namespace that this environment emits${known(index, 'Namespace', undefined)}`,
      fix: 'emit the Namespace or move the object into one of them',
    }),
  ]
}
