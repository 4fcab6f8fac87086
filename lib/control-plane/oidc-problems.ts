import { roles } from '@regent/contract/api.ts'
import { type Problem, printed } from '@regent/contract/problem.ts'
import type { DeepReadonly } from '../config/environment.ts'
import type { OidcSettings } from './oidc-settings.ts'

/** What is wrong with the OpenID provider of an environment beyond its schema. */
export function oidcProblems(path: string, oidc: DeepReadonly<OidcSettings>): readonly Problem[] {
  const problems: Problem[] = []
  const add = (key: string, received: string, expected: string, fix: string) =>
    problems.push({ path: `${path}.${key}`, received, expected, fix, severity: 'error' })

  const given = roles.flatMap((role) => oidc.roles[role].map((value) => ({ role, value })))
  if (given.length === 0) {
    add(
      'roles',
      'no value at all',
      `a value of ${oidc.roleClaim.join('.')} for one of ${roles.join(', ')}`,
      'name the roles or groups of your people: nobody of the provider could do anything',
    )
  }
  const seen = new Map<string, string>()
  for (const { role, value } of given) {
    const before = seen.get(value)
    seen.set(value, role)
    if (before === undefined) continue
    add(
      `roles.${role}`,
      `${printed(value)}, ${before === role ? 'twice' : `which makes a ${before} as well`}`,
      'every value once',
      'leave it where it belongs: each role may do what the one before it may',
    )
  }
  const twice = oidc.algorithms.find((one, index) => oidc.algorithms.indexOf(one) !== index)
  if (twice !== undefined) add('algorithms', `${twice}, twice`, 'each once', 'remove the second')
  return problems
}
