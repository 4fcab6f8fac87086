import { beforeAll, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { KeySet } from '../../src/identity/key-set.ts'
import { OidcTokens, type OidcTokensOptions } from '../../src/identity/oidc-tokens.ts'
import { type SigningKey, signingKey, TestClock, TestIssuer } from './issuer.ts'

describe('a token of an OpenID provider', () => {
  const clock = new TestClock()
  const exp = clock.wall / 1000 + 300
  let key: SigningKey
  let keys: KeySet
  beforeAll(async () => {
    key = await signingKey()
    keys = new KeySet({ source: new TestIssuer(key), log: recordedLog().log, clock })
  })
  const check = async (claims: object, options: Partial<OidcTokensOptions> = {}) => {
    const tokens = new OidcTokens({
      keys,
      clock,
      issuer: 'https://issuer.example',
      audience: 'regent',
      roleClaim: ['groups'],
      roles: { 'platform-team': 'admin', 'on-call': 'operator', everybody: 'viewer' },
      ...options,
    })
    return tokens.check(await key.sign({ iss: 'https://issuer.example', aud: 'regent', sub: 'u-17', exp, ...claims }))
  }

  test('gives the role of its group, and the one that may most of several', async () => {
    expect(await check({ groups: ['everybody', 'on-call', 'unheard-of'] })).toEqual({
      name: 'u-17',
      subject: 'u-17',
      role: 'operator',
      expiresAt: new Date(exp * 1000),
    })
    expect(await check({ groups: 'platform-team' })).toMatchObject({ role: 'admin' })
  })

  test('may hold its roles deeper, and its name elsewhere', async () => {
    const options = { roleClaim: ['realm_access', 'roles'], nameClaim: 'email' }
    const claims = { realm_access: { roles: ['everybody'] }, email: 'ada@example.com' }
    expect(await check(claims, options)).toMatchObject({ name: 'ada@example.com', subject: 'u-17', role: 'viewer' })
  })

  test.each([
    ['none at all', {}],
    ['unknown ones alone', { groups: ['unheard-of'] }],
    ['what every object inherits', { groups: ['constructor', '__proto__', 'toString'] }],
    ['more than are looked at', { groups: Array<string>(1001).fill('everybody') }],
    ['something else than texts', { groups: [{ name: 'everybody' }] }],
    ['no list', { groups: { 0: 'everybody' } }],
  ])('with groups that are %s has no role', async (_, claims) => {
    await expect(check(claims)).rejects.toMatchObject({ name: 'NoRole', caller: 'u-17' })
  })

  test('that names its owner in a way that could deceive a reader is refused', async () => {
    for (const sub of ['ada\u202e', 'ada\n', '', 'a'.repeat(257)]) {
      await expect(check({ groups: 'everybody', sub })).rejects.toMatchObject({ name: 'Unauthenticated' })
    }
  })

  test('for another client is refused, role or not', async () => {
    await expect(check({ groups: 'everybody', aud: 'other' })).rejects.toMatchObject({ reason: 'audience' })
  })
})
