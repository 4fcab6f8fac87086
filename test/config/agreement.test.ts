import { agent } from '@regent/contract/agent.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { electionProfiles } from '@regent/contract/election.ts'
import { defaultOf } from '@regent/contract/program.ts'
import { parseVariable, type Variable, variableText } from '@regent/contract/variable.ts'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { fieldAt, type FieldSchema } from '../../lib/config/field-index.ts'

/** What an environment sets and a program reads: they must agree on what is allowed, or a pod cannot start. */
const pairs: readonly (readonly [string, Variable, 'none' | 'of the profile' | 'of the program'])[] = [
  ['region.name', agent.env.region, 'none'],
  ['region.name', controlPlane.env.region, 'none'],
  ['agent.id', agent.env.agentId, 'none'],
  ['agent.replicas', agent.env.replicas, 'none'],
  ['agent.leaderElection.enabled', agent.env.leaderElection, 'none'],
  ['agent.leaderElection.leaseDurationSeconds', agent.env.leaseDurationSeconds, 'of the profile'],
  ['agent.leaderElection.renewDeadlineSeconds', agent.env.renewDeadlineSeconds, 'of the profile'],
  ['agent.leaderElection.retryPeriodSeconds', agent.env.retryPeriodSeconds, 'of the profile'],
  ['agent.leaderElection.abortBudgetSeconds', agent.env.abortBudgetSeconds, 'of the profile'],
  ['agent.drainBudgetSeconds', agent.env.drainBudgetSeconds, 'of the program'],
  ['agent.controlPlane.url', agent.env.controlPlaneUrl, 'none'],
  ['agent.sessions.maxSessions', agent.env.maxSessions, 'of the program'],
  ['agent.sessions.maxCpu', agent.env.maxCpu, 'none'],
  ['agent.sessions.maxMemory', agent.env.maxMemory, 'none'],
  ['agent.logLevel', agent.env.logLevel, 'of the program'],
  ['controlPlane.publicUrl', controlPlane.env.publicUrl, 'none'],
  ['controlPlane.heartbeatIntervalSeconds', controlPlane.env.heartbeatIntervalSeconds, 'of the program'],
  ['controlPlane.staleAfterSeconds', controlPlane.env.staleAfterSeconds, 'of the program'],
  ['controlPlane.drainBudgetSeconds', controlPlane.env.drainBudgetSeconds, 'of the program'],
  ['controlPlane.mostOpenCommands', controlPlane.env.mostOpenCommands, 'of the program'],
  ['controlPlane.oidc.issuerUrl', controlPlane.env.oidcIssuerUrl, 'none'],
  ['controlPlane.oidc.audience', controlPlane.env.oidcAudience, 'none'],
  ['controlPlane.oidc.nameClaim', controlPlane.env.oidcNameClaim, 'of the program'],
  ['controlPlane.logLevel', controlPlane.env.logLevel, 'of the program'],
]

function fieldOf(path: string): FieldSchema {
  const field = fieldAt(path.split('.'))
  if (field === undefined) throw new Error(`there is no field ${path}`)
  return field
}

/** Anything that the schema accepts at a field. */
function accepted(field: FieldSchema): fc.Arbitrary<string | number | boolean> {
  if (field.type === 'boolean') return fc.boolean()
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.map(String))
  const { minimum: min = 0, maximum: max = 0, maxLength = Number.POSITIVE_INFINITY } = field
  if (field.type === 'integer') return fc.integer({ min, max })
  if (field.type === 'number') return fc.double({ min, max, noNaN: true })
  return (
    fc
      .stringMatching(new RegExp(field.pattern ?? ''))
      // Whether a name that begins with `xn--` is one, no pattern can say.
      .filter((text) => text.length <= maxLength && !text.includes('xn--'))
  )
}

describe('environment and program agree', () => {
  test.each(pairs)('%s: whatever is accepted is read as what it is', (path, variable) => {
    fc.assert(
      fc.property(accepted(fieldOf(path)), (value) => {
        expect(parseVariable(variable, variableText(variable, value))).toEqual({ value })
      }),
    )
  })

  test.each(pairs)('%s: the range is the same', (path, variable) => {
    const { type, minimum, maximum, maxLength, enum: choices } = fieldOf(path)
    if ('min' in variable) {
      expect([minimum, maximum]).toEqual([variable.min, variable.max])
      expect(type).toBe(variable.type === 'integer' ? 'integer' : 'number')
    }
    if (variable.type === 'name' || variable.type === 'word') expect(maxLength).toBe(variable.max)
    if (variable.type === 'choice') expect(choices).toEqual(variable.choices)
  })

  test.each(pairs)('%s: the default is the same', (path, variable, expected) => {
    const field = fieldOf(path)
    if (expected === 'of the program') expect(field.default).toBe(defaultOf(variable))
    else if (expected === 'of the profile') expect(field.default).toBeNull()
    else expect([field.default, defaultOf(variable)]).toEqual([undefined, undefined])
  })
})

test.each([
  ['roleClaim', controlPlane.env.oidcRoleClaim],
  ['roles.viewer', controlPlane.env.oidcViewers],
  ['roles.operator', controlPlane.env.oidcOperators],
  ['roles.admin', controlPlane.env.oidcAdmins],
] as const)('controlPlane.oidc.%s holds as many texts, and as long ones, as the program reads', (path, variable) => {
  const { minItems, maxItems, items } = fieldOf(`controlPlane.oidc.${path}`)
  expect([minItems ?? 0, maxItems, items?.maxLength]).toEqual([variable.fewest, variable.most, variable.max])
})

test('an environment holds as many ranges of proxies as the program reads', () => {
  expect(fieldOf('controlPlane.trustedProxies').maxItems).toBe(controlPlane.env.trustedProxies.most)
})

test('an environment can choose every algorithm of signatures that the program knows', () => {
  const { items, default: chosen } = fieldOf('controlPlane.oidc.algorithms')
  expect(items?.enum).toEqual(controlPlane.env.oidcAlgorithms.choices)
  expect(chosen).toEqual(controlPlane.env.oidcAlgorithms.default)
})

test('an environment can choose every profile, and both sides begin with the same', () => {
  const { enum: profiles, default: chosen } = fieldOf('agent.leaderElection.profile')
  expect(profiles).toEqual(Object.keys(electionProfiles))
  expect(chosen).toBe('fast')
  expect(agent.env.leaseDurationSeconds.default).toBe(electionProfiles.fast.leaseDurationSeconds)
  expect(agent.env.renewDeadlineSeconds.default).toBe(electionProfiles.fast.renewDeadlineSeconds)
  expect(agent.env.retryPeriodSeconds.default).toBe(electionProfiles.fast.retryPeriodSeconds)
  expect(agent.env.abortBudgetSeconds.default).toBe(electionProfiles.fast.abortBudgetSeconds)
})
