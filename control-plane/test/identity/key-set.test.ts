import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type RecordedLog, recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { checkJwt } from '../../src/identity/jwt.ts'
import { KeySet } from '../../src/identity/key-set.ts'
import { type SigningKey, signingKey, TestClock, TestIssuer } from './issuer.ts'

const audience = 'regent-control-plane'

describe('the keys of an issuer', () => {
  let all: readonly [SigningKey, SigningKey]
  let clock = new TestClock()
  let issuer = new TestIssuer()
  let recorded: RecordedLog
  let keys: KeySet
  beforeAll(async () => {
    all = [await signingKey(), await signingKey()]
  })
  beforeEach(() => {
    clock = new TestClock()
    issuer = new TestIssuer(all[0])
    recorded = recordedLog()
    keys = new KeySet({ source: issuer, log: recorded.log, clock })
  })

  const check = async (key: SigningKey) => {
    const exp = clock.wall / 1000 + 60
    const token = await key.sign({ iss: 'https://issuer.example', aud: audience, sub: 'ada', exp })
    return checkJwt(token, { keys, audience, algorithms: ['ES256'], clock })
  }

  test('are fetched once, however many ask at a time', async () => {
    await Promise.all([check(all[0]), check(all[0]), check(all[0])])
    await check(all[0])
    expect(issuer.asked).toBe(1)
  })

  test('are fetched again for one that is not known, but not more often than every 30 s', async () => {
    await check(all[0])
    issuer.keys = all
    clock.pass(29)
    await expect(check(all[1])).rejects.toMatchObject({ reason: 'signature' })
    expect(issuer.asked).toBe(1)
    clock.pass(1)
    await expect(Promise.all([check(all[1]), check(all[1])])).resolves.toHaveLength(2)
    expect(issuer.asked).toBe(2)
  })

  test('are not asked for at the will of who signs with keys of their own', async () => {
    await check(all[0])
    clock.pass(30)
    for (let turn = 0; turn < 5; turn += 1) await expect(check(all[1])).rejects.toMatchObject({ reason: 'signature' })
    expect(issuer.asked).toBe(2)
  })

  test('stay in use while their issuer is away', async () => {
    await check(all[0])
    issuer.away = true
    clock.pass(24 * 3600)
    expect(await check(all[0])).toMatchObject({ sub: 'ada' })
    await expect(check(all[1])).rejects.toMatchObject({ reason: 'signature' })
    expect(recorded.events()).toContain('issuer-keys-unavailable')
    issuer.away = false
    issuer.keys = all
    clock.pass(30)
    expect(await check(all[1])).toMatchObject({ sub: 'ada' })
  })

  test('stop counting once their issuer has withdrawn them', async () => {
    await check(all[0])
    issuer.keys = [all[1]]
    clock.pass(600)
    // The one that notices may still be let in.
    await check(all[0]).catch(() => undefined)
    await new Promise(setImmediate)
    expect(issuer.asked).toBe(2)
    await expect(check(all[0])).rejects.toMatchObject({ reason: 'signature' })
  })

  test('that were never there are no refusal: who asks may come again', async () => {
    issuer.away = true
    await expect(check(all[0])).rejects.toMatchObject({ name: 'IdentityUnavailable' })
    await expect(check(all[0])).rejects.toMatchObject({ name: 'IdentityUnavailable' })
    expect(issuer.asked).toBe(1)
    issuer.away = false
    clock.pass(1)
    expect(await check(all[0])).toMatchObject({ sub: 'ada' })
  })

  test('are no keys where there are none, and the last good ones stay', async () => {
    await check(all[0])
    issuer.keys = []
    clock.pass(600)
    await check(all[0])
    await new Promise(setImmediate)
    expect(await check(all[0])).toMatchObject({ sub: 'ada' })
    expect(recorded.events()).toEqual(['issuer-keys-unavailable'])
  })
})
