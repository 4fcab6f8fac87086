import type { Environment } from '../lib/config/environment.ts'
import type { ExternalProps } from '../lib/output/external.ts'
import type { ManifestIndex } from '../lib/output/manifest-index.ts'

/** Something that a cluster must have before an environment's manifests work on it. */
export type Requirement =
  | { readonly kind: 'Kubernetes'; readonly minimumVersion: string; readonly purpose: string }
  | { readonly kind: 'Nodes'; readonly count: number; readonly purpose: string }
  | { readonly kind: 'Zones'; readonly zones: readonly string[]; readonly purpose: string }
  | ExternalProps

/** Everything that an environment requires, in the order in which one would see to it. */
export function requirementsOf({ cluster }: Environment, index: ManifestIndex): readonly Requirement[] {
  const requirements: Requirement[] = [
    { kind: 'Kubernetes', minimumVersion: cluster.kubernetesVersion, purpose: 'what the manifests are written for' },
  ]
  if (cluster.nodes > 1) {
    requirements.push({
      kind: 'Nodes',
      count: cluster.nodes,
      purpose: 'replicas that must not or should not share one; the autoscaler may add the rest',
    })
  }
  if (cluster.zones.length > 1) {
    requirements.push({ kind: 'Zones', zones: cluster.zones, purpose: 'replicas spread over them' })
  }
  return [...requirements, ...distinct(index.externals)]
}

/** What a requirement asks for, in the words of a table. */
export function requirementName(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'Kubernetes':
      return `${requirement.minimumVersion} or newer`
    case 'Nodes':
      return `${requirement.count} that pods can be scheduled on`
    case 'Zones':
      return requirement.zones.join(', ')
    case 'DefaultStorageClass':
      return 'any'
    default: {
      const { namespace, name, keys } = requirement
      const path = namespace === undefined ? name : `${namespace}/${name}`
      return keys === undefined ? path : `${path} (${keys.join(', ')})`
    }
  }
}

/** One entry per object, with everything that any of its users needs of it. */
function distinct(externals: readonly ExternalProps[]): readonly ExternalProps[] {
  const byObject = new Map<string, ExternalProps>()
  for (const external of externals) {
    const id = [external.kind, external.namespace, external.name].join('/')
    const known = byObject.get(id)
    if (known === undefined) {
      byObject.set(id, external)
      continue
    }
    const keys = [...new Set([...(known.keys ?? []), ...(external.keys ?? [])])]
    const purposes = [...new Set([known.purpose, external.purpose])]
    byObject.set(id, { ...known, ...(keys.length > 0 && { keys }), purpose: purposes.join('; ') })
  }
  return [...byObject.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, external]) => external)
}
