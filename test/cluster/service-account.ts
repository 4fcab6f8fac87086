import { apiRequest } from './api-request.ts'
import type { ApiResponse, Refusal } from './api-request.ts'

export interface TokenOptions {
  /** @default the API server's own */
  readonly audiences?: readonly string[]
  /** Binds the token to a pod, as the kubelet does for a projected token: requests then carry the pod's name and uid. */
  readonly pod?: { readonly name: string; readonly uid: string }
}

/** A token of a ServiceAccount (TokenRequest), valid for an hour. @throws if the API server refuses */
export async function tokenOf(namespace: string, serviceAccount: string, options: TokenOptions = {}): Promise<string> {
  const { pod, audiences } = options
  const { status, body }: ApiResponse<{ status: { token: string } } | Refusal> = await apiRequest({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audiences ?? [],
        expirationSeconds: 3600,
        ...(pod !== undefined && { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod } }),
      },
    },
  })
  if ('reason' in body) throw new Error(`${status}: ${body.message}`)
  return body.status.token
}
