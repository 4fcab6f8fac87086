import { describe, expect, test } from '@jest/globals'
import { Agents } from '../../src/identity/agents.ts'
import { mayAct } from '../../src/identity/caller.ts'
import { People } from '../../src/identity/people.ts'
import { Unauthenticated } from '../../src/identity/refusal.ts'
import type { ServiceAccountIdentity } from '../../src/identity/service-account-tokens.ts'

const expiresAt = new Date('2026-05-04T03:02:01Z')
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwtOf = (iss: string): string => `${encoded({ alg: 'ES256' })}.${encoded({ iss })}.c2ln`
const account = (namespace: string, name: string) => ({
  check: () => Promise.resolve<ServiceAccountIdentity>({ namespace, name, expiresAt }),
})
const nobody = { check: () => Promise.reject(new Unauthenticated('unknown')) }

describe('people', () => {
  const tokens = {
    check: () =>
      Promise.resolve({
        tokenId: 'abcdefgh',
        name: 'ada',
        role: 'viewer' as const,
        createdAt: expiresAt.toISOString(),
        createdBy: 'test',
        expiresAt: expiresAt.toISOString(),
      }),
  }
  const oidc = {
    issuer: 'https://issuer.example',
    check: () => Promise.resolve({ name: 'ada', subject: 'u-17', role: 'operator' as const, expiresAt }),
  }
  const people = new People({ tokens, oidc, serviceAccounts: account('regent-system', 'regent-admin') })

  test('come by each kind of token, and are different people by each', async () => {
    const callers = await Promise.all(
      ['rgt_x', jwtOf(oidc.issuer), jwtOf('https://cluster')].map((t) => people.identify(t)),
    )
    expect(callers.map(({ name, role, by }) => [name, role, by])).toEqual([
      ['token:ada', 'viewer', 'token'],
      ['oidc:ada', 'operator', 'oidc'],
      ['system:serviceaccount:regent-system:regent-admin', 'admin', 'kubernetes'],
    ])
    expect(new Set(callers.map(({ id }) => id)).size).toBe(3)
    expect(callers.map((caller) => caller.expiresAt)).toEqual([expiresAt, expiresAt, expiresAt])
  })

  test.each([
    ['another ServiceAccount', account('regent-system', 'default')],
    ['its namesake in another namespace', account('default', 'regent-admin')],
  ])('are not administrators by %s', async (_, serviceAccounts) => {
    const some = new People({ tokens, serviceAccounts })
    await expect(some.identify(jwtOf('https://cluster'))).rejects.toMatchObject({ reason: 'subject' })
  })

  test('come by no other kind', async () => {
    await expect(people.identify('password')).rejects.toMatchObject({ reason: 'malformed' })
    await expect(new People({ tokens }).identify(jwtOf('https://cluster'))).rejects.toMatchObject({ reason: 'issuer' })
  })

  test('may do what their role may, and what lower ones may', () => {
    const roles = ['viewer', 'operator', 'admin'] as const
    expect(roles.map((own) => roles.filter((needed) => mayAct(own, needed)).length)).toEqual([1, 2, 3])
  })
})

describe('agents', () => {
  const identify = (namespace: string, name: string) =>
    new Agents({ keys: nobody, serviceAccounts: account(namespace, name) }).identify('e.y.J')

  test('are named by their ServiceAccount', async () => {
    expect(await identify('regent-system', 'regent-agent-us-east-1')).toEqual({
      agentId: 'us-east-1',
      by: 'serviceAccount',
      expiresAt,
    })
  })

  test.each([
    ['regent-sessions', 'regent-agent-local'],
    ['regent-system', 'regent-agent-'],
    ['regent-system', 'regent-agent'],
    ['regent-system', 'regent-admin'],
    ['regent-system', `regent-agent-${'a'.repeat(41)}`],
    ['regent-system', 'regent-agent-a.b'],
    ['regent-system', 'not-regent-agent-local'],
  ])('are not %s/%s', async (namespace, name) => {
    await expect(identify(namespace, name)).rejects.toMatchObject({ reason: 'subject' })
  })

  test('do not come by the token of a person', async () => {
    const agents = new Agents({ keys: nobody })
    await expect(agents.identify('rgt_abcdefgh_x')).rejects.toMatchObject({ reason: 'unknown' })
    await expect(agents.identify('e.y.J')).rejects.toMatchObject({ reason: 'issuer' })
  })
})
