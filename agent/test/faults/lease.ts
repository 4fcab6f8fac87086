import { leaseAnnotations } from '@regent/contract/names.ts'
import { apiRequest, type ApiResponse } from '../../../test/cluster/api-request.ts'

/** A Lease as the administrator sees it. */
export interface Lease {
  /** `holderIdentity`; empty when nobody holds it. */
  readonly holder: string
  /** Name of the holder's pod, by the first part of its identity. */
  readonly pod: string
  /** The epoch that the leader wrote on it; absent where the elector knows none. */
  readonly epoch?: bigint
  readonly version: bigint
  readonly transitions: number
  readonly annotations: Readonly<Record<string, string>>
}

interface Stored {
  readonly metadata: { readonly resourceVersion: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec?: { readonly holderIdentity?: string; readonly leaseTransitions?: number }
}

const pathOf = (namespace: string, name: string): string =>
  `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`

/** The Lease as it is now; `undefined` when there is none. */
export async function leaseOf(namespace: string, name: string): Promise<Lease | undefined> {
  const { status, body }: ApiResponse<Stored> = await apiRequest<Stored>({ path: pathOf(namespace, name) })
  if (status === 404) return undefined
  if (status !== 200) throw new Error(`Lease ${name}: status ${status}`)
  const annotations = body.metadata.annotations ?? {}
  const holder = body.spec?.holderIdentity ?? ''
  const epoch = annotations[leaseAnnotations.epoch]
  return {
    holder,
    pod: holder.split('_')[0] ?? '',
    ...(epoch !== undefined && /^\d+$/.test(epoch) && { epoch: BigInt(epoch) }),
    version: BigInt(body.metadata.resourceVersion),
    transitions: body.spec?.leaseTransitions ?? 0,
    annotations,
  }
}

/** Changes the Lease by hand, as somebody with kubectl would. Returns when it was done, by the harness's clock. */
export async function editLease(namespace: string, name: string, change: object): Promise<number> {
  const { status, body } = await apiRequest<{ message?: string }>({
    method: 'PATCH',
    path: pathOf(namespace, name),
    body: change,
  })
  if (status !== 200) throw new Error(`edit of the Lease ${name}: ${status} ${body.message ?? ''}`)
  return performance.now()
}

export async function deleteLease(namespace: string, name: string): Promise<number> {
  const { status } = await apiRequest({ method: 'DELETE', path: pathOf(namespace, name) })
  if (status !== 200) throw new Error(`deletion of the Lease ${name}: status ${status}`)
  return performance.now()
}
