import { namespaceNames, objectNames } from '@regent/contract/names.ts'
import { decodeJwt } from 'jose'
import type { Caller } from './caller.ts'
import type { OidcTokens } from './oidc-tokens.ts'
import type { PeopleTokens } from './people-tokens.ts'
import { Unauthenticated } from './refusal.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

export interface PeopleOptions {
  readonly tokens: Pick<PeopleTokens, 'check'>
  /** Tokens of the cluster that the control plane runs in. @default none are accepted */
  readonly serviceAccounts?: Pick<ServiceAccountTokens, 'check'>
  /** @default there is no OpenID provider */
  readonly oidc?: Pick<OidcTokens, 'check' | 'issuer'>
}

/**
 * Tells which person or program calls, by its bearer token:
 *
 * 1. a token of ours, which begins with `rgt_`;
 * 2. one of the OpenID provider, which names its issuer;
 * 3. one of the ServiceAccount for administrators, whom the cluster vouches for. It needs neither a token that was
 *    made before nor an OpenID provider, so that the first administrator can come, and any when the provider is away.
 *
 * An agent's key or token is none of these.
 */
export class People {
  readonly #options: PeopleOptions

  constructor(options: PeopleOptions) {
    this.#options = options
  }

  /**
   * @throws Unauthenticated with the reason
   * @throws NoRole for somebody of the OpenID provider who has none here
   * @throws IdentityUnavailable while keys that are needed are not known
   * @throws StoreUnavailable where a token of ours cannot be looked up
   */
  async identify(bearer: string): Promise<Caller> {
    const { tokens, oidc, serviceAccounts } = this.#options
    if (bearer.startsWith('rgt_')) {
      const { tokenId, name, role, expiresAt } = await tokens.check(bearer)
      return {
        name: `token:${name}`,
        role,
        by: 'token',
        id: `token:${tokenId}`,
        tokenId,
        expiresAt: new Date(expiresAt),
      }
    }
    if (oidc !== undefined && issuerOf(bearer) === oidc.issuer) {
      const { name, subject, role, expiresAt } = await oidc.check(bearer)
      return { name: `oidc:${name}`, role, by: 'oidc', id: `oidc:${subject}`, expiresAt }
    }
    if (serviceAccounts === undefined) throw new Unauthenticated('issuer')
    const { namespace, name, expiresAt } = await serviceAccounts.check(bearer)
    if (namespace !== namespaceNames.system || name !== objectNames.admin) throw new Unauthenticated('subject')
    const account = `system:serviceaccount:${namespace}:${name}`
    return { name: account, role: 'admin', by: 'kubernetes', id: `kubernetes:${account}`, expiresAt }
  }
}

/** Whom a token says that it is of; whether it is, only its check tells. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    throw new Unauthenticated('malformed')
  }
}
