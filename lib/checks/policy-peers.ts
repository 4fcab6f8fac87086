import type { ManifestIndex } from '../output/manifest-index.ts'
import type { LabelSelector } from './pods.ts'
import { selectedBy, type Workload } from './workloads.ts'

/** A NetworkPolicy as far as the checks look at it. */
export interface PolicySpec {
  readonly podSelector?: LabelSelector
  readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly PolicyPort[] }[]
  readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly PolicyPort[] }[]
}

/** Whom a policy lets in or out: pods, or address ranges. */
export interface Peer {
  readonly podSelector?: LabelSelector
  readonly namespaceSelector?: LabelSelector
  readonly ipBlock?: object
}

export interface PolicyPort {
  readonly port?: number | string
  readonly endPort?: number
  /** @default 'TCP' */
  readonly protocol?: string
}

/** The pods of one namespace that a peer means. */
export interface PeerPods {
  readonly namespace: string | undefined
  readonly workloads: readonly Workload[]
}

const namespaceName = 'kubernetes.io/metadata.name'

/**
 * The pods that a peer of a policy means, per namespace of this environment. Nothing can be said about addresses,
 * about namespaces that something else provides, and about those that are filled at run time.
 */
export function podsOf(
  index: ManifestIndex,
  workloads: readonly Workload[],
  policyNamespace: string | undefined,
  peer: Peer,
): readonly PeerPods[] {
  if (peer.ipBlock !== undefined) return []
  const namespaces = peer.namespaceSelector === undefined ? [policyNamespace] : namesOf(peer.namespaceSelector)
  return namespaces
    .filter((namespace) => isKnown(index, workloads, namespace))
    .map((namespace) => ({ namespace, workloads: selectedBy(workloads, namespace, peer.podSelector ?? {}) }))
}

/**
 * Whether the environment knows what runs in a namespace: it emits both the namespace and workloads in it. Pods of the
 * sessions' namespace, for instance, are made by the agent.
 */
export function isKnown(index: ManifestIndex, workloads: readonly Workload[], namespace: string | undefined): boolean {
  return (
    namespace !== undefined &&
    index.find('Namespace', undefined, namespace) !== undefined &&
    workloads.some((one) => one.namespace === namespace)
  )
}

/** The namespaces that a selector names; one that goes by other labels may mean namespaces from outside as well. */
function namesOf(selector: LabelSelector): readonly string[] {
  const name = selector.matchLabels?.[namespaceName]
  if (name !== undefined) return [name]
  const expression = selector.matchExpressions?.find(({ key, operator }) => key === namespaceName && operator === 'In')
  return expression?.values ?? []
}
