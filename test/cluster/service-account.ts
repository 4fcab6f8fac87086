import { apiRequest } from './api-request.ts'
import type { ApiResponse, Refusal } from './api-request.ts'
import { waitFor } from './wait-for.ts'

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

/** One thing that somebody may do, as Kubernetes reviews it. */
export interface ReviewedAccess {
  /** API group; '' is the core group. */
  readonly group: string
  readonly resource: string
  readonly verb: string
  /** The one object. @default every object of the kind */
  readonly name?: string
}

/**
 * Waits until a ServiceAccount may do something in its namespace. API servers learn of Roles and their bindings by a
 * watch, so that one which has just been created does not hold yet.
 */
export async function waitUntilAllowed(
  namespace: string,
  serviceAccount: string,
  access: ReviewedAccess,
): Promise<void> {
  const user = `system:serviceaccount:${namespace}:${serviceAccount}`
  await waitFor(
    `${user} to be allowed to ${access.verb} ${access.resource}`,
    async () => {
      const { body } = await apiRequest<{ status: { allowed: boolean } }>({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: { user, resourceAttributes: { namespace, ...access } },
        },
      })
      return body.status.allowed
    },
    { everyMilliseconds: 10 },
  )
}
