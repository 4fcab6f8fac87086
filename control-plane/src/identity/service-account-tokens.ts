import { controlPlaneAudience } from '@regent/contract/names.ts'
import type { SignatureAlgorithm } from '@regent/contract/oidc.ts'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { checkJwt } from './jwt.ts'
import type { KeySet } from './key-set.ts'
import { Unauthenticated } from './refusal.ts'

/** What the API server signs ServiceAccount tokens with, by the kind of its key. */
const algorithms: readonly SignatureAlgorithm[] = ['RS256', 'ES256', 'ES384', 'ES512']

const named = z.object({ name: z.string().min(1).max(253), uid: z.string().min(1).max(128) })
const kubernetesClaims = z.object({
  sub: z.string().max(512),
  'kubernetes.io': z.object({
    namespace: z.string().min(1).max(63),
    serviceaccount: named,
    /** There for a token that is bound to a pod, as projected tokens are. */
    pod: named.optional(),
  }),
})

/** The ServiceAccount that a token speaks for. */
export interface ServiceAccountIdentity {
  readonly namespace: string
  readonly name: string
  /** The pod that the token is bound to; absent for one that was asked for without. */
  readonly pod?: { readonly name: string; readonly uid: string }
  readonly expiresAt: Date
}

export interface ServiceAccountTokensOptions {
  /** The keys of the cluster's API server. */
  readonly keys: KeySet
  /** @default the system's */
  readonly clock?: Clock
}

/**
 * Checks tokens of ServiceAccounts of this cluster for the audience of the control plane, without asking the API server
 * for each.
 *
 * Not guaranteed: that the pod or the ServiceAccount still exists. A token that was issued counts until it expires;
 * agents' are issued for an hour.
 */
export class ServiceAccountTokens {
  readonly #options: ServiceAccountTokensOptions

  constructor(options: ServiceAccountTokensOptions) {
    this.#options = options
  }

  /**
   * @throws Unauthenticated with the reason
   * @throws IdentityUnavailable while the API server's keys are not known
   */
  async check(token: string): Promise<ServiceAccountIdentity> {
    const payload = await checkJwt(token, { ...this.#options, audience: controlPlaneAudience, algorithms })
    const claims = kubernetesClaims.safeParse(payload)
    if (!claims.success) throw new Unauthenticated('subject')
    const { namespace, serviceaccount, pod } = claims.data['kubernetes.io']
    if (claims.data.sub !== `system:serviceaccount:${namespace}:${serviceaccount.name}`) {
      throw new Unauthenticated('subject')
    }
    return {
      namespace,
      name: serviceaccount.name,
      ...(pod !== undefined && { pod }),
      expiresAt: new Date(payload.exp * 1000),
    }
  }
}
