/**
 * What is immutable in practice: names that clusters, dashboards, stored keys and people's habits hold on to.
 * Changing one of them is a migration, never a refactoring.
 */

/** Domain of every label and annotation of Regent. */
export const labelDomain = 'regent.dev'

/** Prefix of every metric of Regent. */
export const metricPrefix = 'regent_'

/** Prefix of every key that Regent stores in etcd; `v1` is the version of the layout below it. */
export const etcdKeyPrefix = '/regent/v1/'

/** Audience of the ServiceAccount tokens with which agents prove themselves to the control plane. */
export const controlPlaneAudience = 'regent-control-plane'

/** Namespaces of Regent. One cluster holds one environment. */
export const namespaceNames = {
  /** Agents, control plane and consensus. */
  system: 'regent-system',
  /** What agents create: one Deployment, Service and PersistentVolumeClaim per session. */
  sessions: 'regent-sessions',
} as const

/** The namespaces in which a program may hold permissions. */
export const accessNamespaces = {
  ...namespaceNames,
  /** Kubernetes' own. Its UID is the one name of a cluster that nobody chooses; nothing else is read there. */
  kubernetes: 'kube-system',
} as const
export type NamespaceRole = keyof typeof accessNamespaces

/** Names of objects that other objects, programs or people refer to. `{agentId}` is filled by {@link filled}. */
export const objectNames = {
  agent: 'regent-agent-{agentId}',
  /** The Lease of an agent: named by the agent id, which names the cluster, never by the pod. */
  agentLease: 'regent-agent-{agentId}',
  controlPlane: 'regent-control-plane',
  /** The ServiceAccount whose token for the control plane makes an administrator, before there is any other. */
  admin: 'regent-admin',
  consensus: 'regent-consensus',
  /** The headless Service behind the stable names of etcd's members. */
  consensusPeers: 'regent-consensus-peers',
  /** What a joining member needs to know of the others; changed only when the membership changes. */
  consensusMembership: 'regent-consensus-membership',
  /** The program that keeps users and roles of etcd as declared. */
  consensusAccess: 'regent-consensus-access',
} as const

/** Labels that Regent puts on its objects; selectors use `app.kubernetes.io/{name,instance}` alone. */
export const labels = {
  /** The environment that an object belongs to; makes pruning possible. */
  environment: `${labelDomain}/environment`,
  /** The region of the environment's cluster. */
  region: `${labelDomain}/region`,
} as const

/** Annotations that Regent puts on its objects. */
export const annotations = {
  /** Hash of the configuration that a pod was started with; a change rolls the pods. */
  configurationHash: `${labelDomain}/configuration-hash`,
  /** Share of the region among all regions. */
  regionWeight: `${labelDomain}/region-weight`,
  /** The repository that the manifests come from. */
  sourceRepository: `${labelDomain}/source-repository`,
  /**
   * On the consensus StatefulSet: the number of members that etcd itself counts, written by whoever changed the
   * membership. The admission policy lets the replicas follow it, one at a time, and nothing else.
   */
  etcdMembers: `${labelDomain}/etcd-members`,
} as const

/** Annotations of an agent's Lease. The leader writes all but the last two, which are people's. */
export const leaseAnnotations = {
  /** Identity of the holder that gave the Lease back after its work had ended. */
  releasedBy: `${labelDomain}/released-by`,
  /** Epoch of the leadership: the resourceVersion of the write that acquired the Lease. */
  epoch: `${labelDomain}/epoch`,
  /** Node of the leader's pod. */
  node: `${labelDomain}/node`,
  /** When this leadership began, RFC 3339. */
  since: `${labelDomain}/since`,
  /** Why leadership changed last: one of `takeoverReasons` in `contract/takeover.ts`. */
  reason: `${labelDomain}/reason`,
  /** The last five takeovers, newest first: JSON, see `contract/takeover.ts`. */
  takeovers: `${labelDomain}/takeovers`,
  /** Where the leader answers its standbys: `address:port`, IPv6 in brackets. */
  peer: `${labelDomain}/peer`,
  /** The leader's container, as its pod's status names it: `containerd://<id>`. */
  container: `${labelDomain}/container`,
  /** Standbys that are connected to the leader: JSON, see `contract/takeover.ts`. */
  standbys: `${labelDomain}/standbys`,
  /** Whether the leader is registered at the control plane: one of `linkStates` in `contract/takeover.ts`. */
  link: `${labelDomain}/link`,
  /** Set by a person to the holder's identity: that leader hands over and stays out for a while. */
  stepDown: `${labelDomain}/step-down`,
  /** Set by a person: names of pods, separated by commas, that stand aside until they are named no more. */
  cordoned: `${labelDomain}/cordoned`,
} as const

/** Names of the PriorityClasses, from the one that is evicted last. */
export const priorityClassNames = {
  consensus: 'regent-consensus',
  controlPlane: 'regent-control-plane',
  agent: 'regent-agent',
} as const

/** Names of the StorageClasses. */
export const storageClassNames = {
  fast: 'fast-ssd',
  standard: 'standard-ssd',
  regional: 'regional-ssd',
} as const

/** The name with its `{placeholders}` filled. Throws when a placeholder has no value. */
export function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, key: string) => {
    const value = values[key]
    if (value === undefined) throw new Error(`the name '${template}' needs '${key}'; pass it along`)
    return value
  })
}
