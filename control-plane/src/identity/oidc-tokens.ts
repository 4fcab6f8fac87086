import { type Role, roles } from '@regent/contract/api.ts'
import type { SignatureAlgorithm } from '@regent/contract/oidc.ts'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { checkJwt } from './jwt.ts'
import type { KeySet } from './key-set.ts'
import { NoRole, Unauthenticated } from './refusal.ts'

/** Most roles or groups of one token that are looked at. */
const mostRoles = 1000

export interface OidcTokensOptions {
  readonly keys: KeySet
  /** The issuer, as its tokens name it. */
  readonly issuer: string
  /** The client that tokens must have been made for. */
  readonly audience: string
  /** What the provider may sign with. @default RS256 and ES256 */
  readonly algorithms?: readonly SignatureAlgorithm[]
  /** The claim that names a person in logs and records. @default sub, which alone is never given to another */
  readonly nameClaim?: string
  /** Where the roles are: the names of claims, one within the other. Holds a text or a list of texts. */
  readonly roleClaim: readonly string[]
  /** What a value of that claim makes of its owner. Values that are not here say nothing. */
  readonly roles: Readonly<Record<string, Role>>
  /** @default the system's */
  readonly clock?: Clock
}

/** A person or program that an OpenID provider speaks for. */
export interface OidcIdentity {
  readonly name: string
  readonly subject: string
  readonly role: Role
  readonly expiresAt: Date
}

const nameText = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u)
const roleTexts = z.union([z.string().transform((one) => [one]), z.array(z.string()).max(mostRoles)])

/** Checks tokens of one OpenID provider, and takes the role from a claim: the one that may most, of several. */
export class OidcTokens {
  readonly issuer: string
  readonly #options: OidcTokensOptions

  constructor(options: OidcTokensOptions) {
    this.issuer = options.issuer
    this.#options = options
  }

  /**
   * @throws Unauthenticated with the reason
   * @throws NoRole where no claim makes its owner anything
   * @throws IdentityUnavailable while the provider's keys are not known
   */
  async check(token: string): Promise<OidcIdentity> {
    const { keys, audience, algorithms = ['RS256', 'ES256'], nameClaim = 'sub', clock } = this.#options
    const payload = await checkJwt(token, { keys, audience, algorithms, ...(clock !== undefined && { clock }) })
    const name = nameText.safeParse(payload[nameClaim])
    const subject = nameText.safeParse(payload.sub)
    if (!name.success || !subject.success) throw new Unauthenticated('subject')
    const role = this.#roleOf(payload)
    if (role === undefined) throw new NoRole(name.data)
    return { name: name.data, subject: subject.data, role, expiresAt: new Date(payload.exp * 1000) }
  }

  #roleOf(payload: object): Role | undefined {
    const claimed = this.#options.roleClaim.reduce<unknown>(ownValue, payload)
    const texts = roleTexts.safeParse(claimed)
    if (!texts.success) return undefined
    const given = new Set(texts.data.map((text) => ownValue(this.#options.roles, text)))
    return roles.findLast((role) => given.has(role))
  }
}

/** Never what an object inherits: `constructor` is no role. */
function ownValue(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  return Object.getOwnPropertyDescriptor(object, name)?.value as unknown
}
