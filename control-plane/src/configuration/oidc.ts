import type { Role } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import type { SignatureAlgorithm } from '@regent/contract/oidc.ts'
import { type Problem, printed } from '@regent/contract/problem.ts'
import type { Parsed } from '@regent/contract/program.ts'

/** The OpenID provider of people, and what makes whom of them. */
export interface OidcConfiguration {
  /** The provider, exactly as its tokens name it. */
  readonly issuer: string
  readonly audience: string
  /** Names of claims, one within the other. */
  readonly roleClaim: readonly string[]
  readonly nameClaim: string
  /** What each value of the role claim makes of its owner. */
  readonly roles: Readonly<Record<string, Role>>
  readonly algorithms: readonly SignatureAlgorithm[]
  /** The authority that signed the provider's certificate, PEM. @default the public ones */
  readonly caFile?: string
}

const { env } = controlPlane

/** The provider that the variables name; `undefined` where they name none. */
export function oidcOf(settings: Parsed<typeof controlPlane>): OidcConfiguration | undefined {
  const { oidcIssuerUrl: issuer, oidcAudience: audience, oidcRoleClaim: roleClaim, oidcCaFile: caFile } = settings
  // They are there together: the contract asks for each where one of them is set.
  if (issuer === undefined || audience === undefined || roleClaim === undefined) return undefined
  return {
    issuer,
    audience,
    roleClaim,
    nameClaim: settings.oidcNameClaim,
    roles: Object.fromEntries(given(settings).map(({ value, role }) => [value, role])),
    algorithms: settings.oidcAlgorithms,
    ...(caFile !== undefined && { caFile }),
  }
}

/** What is wrong with the variables of the provider together. */
export function oidcProblems(settings: Parsed<typeof controlPlane>): readonly Problem[] {
  if (settings.oidcIssuerUrl === undefined) return []
  const all = given(settings)
  if (all.length === 0) {
    const [viewers, operators, admins] = [env.oidcViewers, env.oidcOperators, env.oidcAdmins]
    return [
      {
        path: admins.variable,
        received: 'no value, nor any of the other roles',
        expected: `a value in ${viewers.variable}, ${operators.variable} or ${admins.variable}`,
        fix: 'name the roles or groups of your people: nobody of the provider could do anything',
        severity: 'error',
      },
    ]
  }
  return all.flatMap(({ value, variable }, index) => {
    const before = all.slice(0, index).find((other) => other.value === value)
    if (before === undefined) return []
    return [
      {
        path: variable,
        received: `${printed(value)}, which is in ${before.variable} too`,
        expected: 'every value once',
        fix: 'leave it where it belongs: each role may do what the one before it may',
        severity: 'error' as const,
      },
    ]
  })
}

function given({ oidcViewers, oidcOperators, oidcAdmins }: Parsed<typeof controlPlane>) {
  const lists = [
    { role: 'viewer', variable: env.oidcViewers.variable, values: oidcViewers },
    { role: 'operator', variable: env.oidcOperators.variable, values: oidcOperators },
    { role: 'admin', variable: env.oidcAdmins.variable, values: oidcAdmins },
  ] as const
  return lists.flatMap(({ role, variable, values }) => values.map((value) => ({ role, variable, value })))
}
