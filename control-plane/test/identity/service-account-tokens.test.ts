import { beforeAll, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { KeySet } from '../../src/identity/key-set.ts'
import { ServiceAccountTokens } from '../../src/identity/service-account-tokens.ts'
import { type SigningKey, signingKey, TestClock, TestIssuer } from './issuer.ts'

const account = (namespace: string, name: string, more: object = {}) => ({
  sub: `system:serviceaccount:${namespace}:${name}`,
  'kubernetes.io': { namespace, serviceaccount: { name, uid: 'account-uid' }, ...more },
})

describe('a token of a ServiceAccount', () => {
  const clock = new TestClock()
  const exp = clock.wall / 1000 + 3600
  let keys: readonly SigningKey[]
  let tokens: ServiceAccountTokens
  beforeAll(async () => {
    keys = await Promise.all((['RS256', 'ES256', 'PS256'] as const).map(signingKey))
    const source = new TestIssuer(...keys)
    tokens = new ServiceAccountTokens({ keys: new KeySet({ source, log: recordedLog().log, clock }), clock })
  })
  const check = async (claims: object, key = 0) => {
    const signed = { iss: 'https://issuer.example', aud: ['regent-control-plane'], exp, ...claims }
    return tokens.check((await keys[key]?.sign(signed)) ?? '')
  }

  test('says whose it is, the pod that it is bound to, and until when', async () => {
    const pod = { name: 'regent-agent-local-0', uid: '0e1f' }
    expect(await check(account('regent-system', 'regent-agent-local', { pod, node: { name: 'n' } }))).toEqual({
      namespace: 'regent-system',
      name: 'regent-agent-local',
      pod,
      expiresAt: new Date(exp * 1000),
    })
  })

  test('may be of either kind of key, and of no other', async () => {
    expect(await check(account('a', 'b'), 1)).toMatchObject({ name: 'b' })
    await expect(check(account('a', 'b'), 2)).rejects.toMatchObject({ reason: 'algorithm' })
  })

  test('may be bound to no pod', async () => {
    expect(await check(account('a', 'b'))).not.toHaveProperty('pod')
  })

  test('for the API server itself is refused', async () => {
    const aud = ['https://kubernetes.default.svc.cluster.local']
    await expect(check({ ...account('a', 'b'), aud })).rejects.toMatchObject({ reason: 'audience' })
  })

  test.each([
    ['without the claims of Kubernetes', { sub: 'system:serviceaccount:a:b' }],
    ['whose subject is another', { ...account('a', 'b'), sub: 'system:serviceaccount:a:c' }],
    ['whose subject is in another namespace', { ...account('a', 'b'), sub: 'system:serviceaccount:b:b' }],
    ['of a person', { ...account('a', 'b'), sub: 'ada' }],
    ['bound to a pod without a UID', account('a', 'b', { pod: { name: 'p' } })],
    ['of nobody', account('', '')],
  ])('%s is refused', async (_, claims) => {
    await expect(check(claims)).rejects.toMatchObject({ reason: 'subject' })
  })
})
