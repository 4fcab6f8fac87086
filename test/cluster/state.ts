import { readFileSync } from 'node:fs'
import type { KubernetesRelease } from './binaries.ts'
import type { Identity } from './identity.ts'

/** A node: a kubelet, containerd and kube-proxy in namespaces of their own. */
export interface NodeState {
  readonly name: string
  readonly address: string
  readonly podRange: string
  readonly folder: string
  /** Process 1 of the node. Ending it ends the node with all that runs and is mounted in it. */
  readonly holder: Identity
  /** The control plane's end of the cable to the node. */
  readonly cable: string
  /** What starts its kubelet, to start it again. */
  readonly kubelet: readonly string[]
}

/** A running cluster, as the tests and `npm run cluster` find it. */
export interface ClusterState {
  readonly id: string
  /** `nodes` has a control plane like `api`, and nodes. `foreign` is somebody's own cluster: only kubectl reaches it. */
  readonly kind: 'api' | 'nodes' | 'foreign'
  readonly release: KubernetesRelease
  /** Everything that belongs to the cluster; removed with it. */
  readonly folder: string
  readonly kubeconfig: string
  readonly kubectl: string
  readonly etcdctl: string
  /** One JSON event per line. Absent for a foreign cluster. */
  readonly auditLog?: string
  /** Process 1 of the control plane's namespaces, if it has any. */
  readonly controlPlane?: Identity
  readonly nodes: readonly NodeState[]
}

/** The variable that hands the cluster's state file to the tests. */
export const STATE_VARIABLE = 'REGENT_CLUSTER'

let known: ClusterState | undefined

/** The cluster that the tests run against. @throws outside of `npm test` */
export function cluster(): ClusterState {
  const file = process.env[STATE_VARIABLE]
  if (file === undefined) throw new Error(`${STATE_VARIABLE} is not set: run this test with npm test -- --level api`)
  known ??= JSON.parse(readFileSync(file, 'utf8')) as ClusterState
  return known
}
