import type { ApiAnswer, ApiConnection } from './api-server.ts'
import { textAt } from './json.ts'

/** The UID of the cluster's `kube-system` namespace, or why it is not known. */
export type ClusterUidAnswer = { readonly kind: 'uid'; readonly uid: string } | ApiAnswer

/**
 * One Lease. It sends what it is given and returns what the API server said: what an answer means is decided by the
 * election.
 */
export class LeaseClient {
  readonly #connection: ApiConnection
  readonly #collection: string
  readonly #path: string

  constructor(connection: ApiConnection, lease: { readonly namespace: string; readonly name: string }) {
    this.#connection = connection
    this.#collection = leaseCollection(lease.namespace)
    this.#path = `${this.#collection}/${encodeURIComponent(lease.name)}`
  }

  /** The Lease as etcd has it now: 200, or 404. */
  get(timeoutSeconds: number): Promise<ApiAnswer> {
    return this.#connection.request({ method: 'GET', path: this.#path, timeoutSeconds })
  }

  /** 201 with the Lease as it was written, or 409 when it exists already. */
  create(lease: object, timeoutSeconds: number): Promise<ApiAnswer> {
    return this.#connection.request({ method: 'POST', path: this.#collection, body: lease, timeoutSeconds })
  }

  /**
   * Replaces the Lease: 200 with what was written, 409 when its `metadata.resourceVersion` is not the one that is
   * stored, 404 when it is gone. Without a resourceVersion it would overwrite whatever is there: always pass one.
   */
  update(lease: object, timeoutSeconds: number): Promise<ApiAnswer> {
    return this.#connection.request({ method: 'PUT', path: this.#path, body: lease, timeoutSeconds })
  }

  /** The one name of this cluster that nobody chooses, within which epochs compare. */
  async clusterUid(timeoutSeconds: number): Promise<ClusterUidAnswer> {
    const path = '/api/v1/namespaces/kube-system'
    const answer = await this.#connection.request({ method: 'GET', path, timeoutSeconds })
    if (answer.kind === 'failure' || answer.status !== 200) return answer
    const uid = textAt(answer.body, 'metadata', 'uid')
    if (uid === undefined || uid === '') {
      return { kind: 'failure', why: 'the namespace kube-system came without a UID', startedAt: answer.startedAt }
    }
    return { kind: 'uid', uid }
  }
}

/** Path of the Leases of a namespace, for a watch. */
export function leaseCollection(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
}
