import { createHmac } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import type { JWTPayload } from 'jose'
import { signatureAlgorithms } from '@regent/contract/oidc.ts'
import { checkJwt, clockToleranceSeconds } from '../../src/identity/jwt.ts'
import { KeySet } from '../../src/identity/key-set.ts'
import { signingKey, type SigningKey, TestClock, TestIssuer } from './issuer.ts'

const audience = 'regent-control-plane'
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a JSON Web Token', () => {
  let [key, rsa, stranger]: SigningKey[] = []
  let clock = new TestClock()
  let keys: KeySet
  const mine = (): SigningKey => {
    if (key === undefined) throw new Error('no key')
    return key
  }
  const now = (): number => clock.wall / 1000
  const good = (): JWTPayload => ({ iss: 'https://issuer.example', aud: audience, sub: 'ada', exp: now() + 60 })
  const check = (token: string, algorithms = signatureAlgorithms.slice()) =>
    checkJwt(token, { keys, audience, algorithms, clock })
  const refused = async (token: string | Promise<string>, reason: string) =>
    expect(check(await token)).rejects.toMatchObject({ name: 'Unauthenticated', reason })

  beforeAll(async () => {
    ;[key, rsa, stranger] = await Promise.all([signingKey(), signingKey('RS256'), signingKey()])
  })
  beforeEach(() => {
    clock = new TestClock()
    if (key === undefined || rsa === undefined) throw new Error('no keys')
    keys = new KeySet({ source: new TestIssuer(key, rsa), log: recordedLog().log, clock })
  })

  test('is accepted with everything in place, by any key of its issuer', async () => {
    expect(await check(await mine().sign(good()))).toMatchObject({ sub: 'ada', exp: now() + 60 })
    expect(await check((await rsa?.sign({ ...good(), aud: ['other', audience] })) ?? '')).toMatchObject({ sub: 'ada' })
  })

  test('counts until its end, and for as long after it as clocks may differ', async () => {
    const token = await mine().sign(good())
    clock.pass(60 + clockToleranceSeconds - 1)
    expect(await check(token)).toMatchObject({ sub: 'ada' })
    clock.pass(1)
    await refused(token, 'expired')
  })

  test('counts before its begin only for as long as clocks may differ', async () => {
    const begins = (seconds: number) => mine().sign({ ...good(), nbf: now() + seconds })
    expect(await check(await begins(clockToleranceSeconds))).toMatchObject({ sub: 'ada' })
    await refused(begins(clockToleranceSeconds + 1), 'not-yet-valid')
  })

  test.each([
    ['another audience', { aud: 'https://kubernetes.default.svc' }, 'audience'],
    ['no audience', { aud: [] }, 'audience'],
    ['another issuer', { iss: 'https://issuer.example.evil' }, 'issuer'],
  ])('with %s is refused', async (_, change, reason) => {
    await refused(mine().sign({ ...good(), ...change }), reason)
  })

  test.each(['exp', 'sub', 'iss', 'aud'])('without `%s` is refused', async (claim) => {
    const claims = Object.fromEntries(Object.entries(good()).filter(([name]) => name !== claim))
    await expect(check(await mine().sign(claims))).rejects.toMatchObject({ name: 'Unauthenticated' })
  })

  test('of somebody else is refused, whatever key it claims to be signed with', async () => {
    await refused(stranger?.sign(good()) ?? '', 'signature')
    await refused(stranger?.sign(good(), { kid: mine().kid }) ?? '', 'signature')
  })

  test('brings no key of its own', async () => {
    await refused(stranger?.sign(good(), { jwk: stranger.publicJwk, kid: 'its-own' }) ?? '', 'signature')
  })

  test('that was changed is refused', async () => {
    const [header = '', , signature = ''] = (await mine().sign(good())).split('.')
    await refused(`${header}.${encoded({ ...good(), sub: 'eve' })}.${signature}`, 'signature')
  })

  test('without a signature is refused, in every spelling', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      await refused(`${encoded({ alg })}.${encoded(good())}.`, 'algorithm')
      await refused(`${encoded({ alg, kid: mine().kid })}.${encoded(good())}.`, 'algorithm')
    }
  })

  test('with a public key as its shared secret is refused', async () => {
    for (const secret of [rsa?.publicPem ?? '', JSON.stringify(rsa?.publicJwk)]) {
      const signed = `${encoded({ alg: 'HS256', kid: rsa?.kid })}.${encoded(good())}`
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      await refused(`${signed}.${signature}`, 'algorithm')
    }
  })

  test('by an algorithm that is not expected of its issuer is refused', async () => {
    await expect(check((await rsa?.sign(good())) ?? '', ['ES256'])).rejects.toMatchObject({ reason: 'algorithm' })
  })

  test('with a critical extension that nobody knows is refused', async () => {
    const [, payload = '', signature = ''] = (await mine().sign(good())).split('.')
    const header = encoded({ alg: 'ES256', kid: mine().kid, crit: ['exotic'], exotic: true })
    await refused(`${header}.${payload}.${signature}`, 'algorithm')
  })

  test.each(['', 'a', 'a.b', '..', 'a.b.c', 'a.b.c.d.e', 'eyJhbGciOiJFUzI1NiJ9.e30.'])('is not %j', async (text) => {
    await expect(check(text)).rejects.toMatchObject({ name: 'Unauthenticated' })
  })

  test('is never repeated by the refusal', async () => {
    const token = await mine().sign({ ...good(), aud: 'other' })
    const error: unknown = await check(token).catch((thrown: unknown) => thrown)
    expect(String(error)).not.toContain(token.split('.')[1])
  })
})
