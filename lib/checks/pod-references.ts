import { containersOf, type PodSpec } from './pods.ts'
import type { Workload } from './workloads.ts'

/** One object that another one needs by its name. */
export interface Reference {
  readonly kind: string
  /** Nothing for a cluster-scoped kind. */
  readonly namespace: string | undefined
  readonly name: string
  /** Where it is referred to: `volume 'tls'`. */
  readonly at: string
  /** Keys that it must have, for a Secret or ConfigMap. */
  readonly keys?: readonly string[]
}

interface Source {
  readonly kind: 'Secret' | 'ConfigMap'
  readonly at: string
  readonly name: string | undefined
  readonly optional?: boolean | undefined
  readonly keys?: readonly string[] | undefined
}

/** What the pods of a workload need before they start. References that are marked optional are left out. */
export function podReferences({ namespace, template: { spec: pod } }: Workload): readonly Reference[] {
  const named = (kind: string, name: string | undefined, at: string, scope = namespace): readonly Reference[] =>
    name === undefined ? [] : [{ kind, namespace: scope, name, at }]
  return [
    ...named('ServiceAccount', pod.serviceAccountName, 'serviceAccountName'),
    ...(pod.priorityClassName === undefined
      ? []
      : [{ kind: 'PriorityClass', namespace: undefined, name: pod.priorityClassName, at: 'priorityClassName' }]),
    ...(pod.imagePullSecrets ?? []).flatMap(({ name }) => named('Secret', name, 'imagePullSecrets')),
    ...(pod.volumes ?? []).flatMap((volume) => [
      ...named('PersistentVolumeClaim', volume.persistentVolumeClaim?.claimName, `volume '${volume.name}'`),
      ...storageClass(volume.ephemeral?.volumeClaimTemplate.spec.storageClassName, `volume '${volume.name}'`),
    ]),
    ...[...environmentSources(pod), ...volumeSources(pod)]
      .filter(({ optional }) => optional !== true)
      .flatMap(({ kind, name, at, keys = [] }) => named(kind, name, at).map((one) => ({ ...one, keys }))),
  ]
}

/** The StorageClass of a claim; none means the cluster's default, an empty one a volume that is there already. */
export function storageClass(name: string | undefined, at: string): readonly Reference[] {
  return name === undefined || name === '' ? [] : [{ kind: 'StorageClass', namespace: undefined, name, at }]
}

function environmentSources(pod: PodSpec): readonly Source[] {
  return containersOf(pod).flatMap((container) => [
    ...(container.env ?? []).flatMap(({ name, valueFrom }) => {
      const at = `variable '${name}' of container '${container.name}'`
      const { secretKeyRef: secret, configMapKeyRef: configMap } = valueFrom ?? {}
      return [
        ...source('Secret', at, secret, secret?.name, secret && [secret.key]),
        ...source('ConfigMap', at, configMap, configMap?.name, configMap && [configMap.key]),
      ]
    }),
    ...(container.envFrom ?? []).flatMap(({ secretRef, configMapRef }) => {
      const at = `'envFrom' of container '${container.name}'`
      return [
        ...source('Secret', at, secretRef, secretRef?.name),
        ...source('ConfigMap', at, configMapRef, configMapRef?.name),
      ]
    }),
  ])
}

function volumeSources(pod: PodSpec): readonly Source[] {
  return (pod.volumes ?? []).flatMap(({ name, secret, configMap, projected }) => {
    const at = `volume '${name}'`
    const keysOf = (items: readonly { readonly key: string }[] | undefined) => items?.map(({ key }) => key)
    return [
      ...source('Secret', at, secret, secret?.secretName, keysOf(secret?.items)),
      ...[{ configMap, secret: undefined }, ...(projected?.sources ?? [])].flatMap((one) => [
        ...source('Secret', at, one.secret, one.secret?.name, keysOf(one.secret?.items)),
        ...source('ConfigMap', at, one.configMap, one.configMap?.name, keysOf(one.configMap?.items)),
      ]),
    ]
  })
}

function source(
  kind: Source['kind'],
  at: string,
  from: { readonly optional?: boolean } | undefined,
  name: string | undefined,
  keys?: readonly string[],
): readonly Source[] {
  return from === undefined ? [] : [{ kind, at, name, optional: from.optional, keys }]
}
