import type { ApiAnswer, ApiConnection } from './api-server.ts'
import { systemClock } from './clock.ts'
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
   * Replaces the Lease that was read: 200 with what was written, 409 when another version or another Lease of the
   * name is stored, or none is.
   *
   * Both `metadata.uid` and `metadata.resourceVersion` must be those that were read. API servers create a Lease that
   * an update does not find, even one at a version: only its UID keeps a deleted Lease from coming back by the write
   * of somebody who has not seen the deletion.
   */
  update(lease: object, timeoutSeconds: number): Promise<ApiAnswer> {
    const missing = ['uid', 'resourceVersion'].filter((key) => (textAt(lease, 'metadata', key) ?? '') === '')
    if (missing.length > 0) {
      const why = `an update without metadata.${missing.join(' and metadata.')} could replace a Lease that nobody read`
      return Promise.resolve({ kind: 'failure', why: `${why}; read the Lease first`, startedAt: systemClock.now() })
    }
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
