import { describe, expect, test } from '@jest/globals'
import { Gate, mustBeAllowed } from '../../src/http/gate.ts'
import { TokenBuckets } from '../../src/http/token-buckets.ts'
import type { Caller } from '../../src/identity/caller.ts'
import { NoRole, Unauthenticated } from '../../src/identity/refusal.ts'

const callerOf = (id: string): Caller => ({
  name: id,
  id,
  role: 'operator',
  by: 'token',
  expiresAt: new Date('2030-01-01'),
})

class Scene {
  nowMs = 0
  asked = 0
  readonly gate = new Gate({
    now: () => this.nowMs,
    people: {
      identify: (bearer) => {
        this.asked += 1
        if (bearer.startsWith('roleless')) return Promise.reject(new NoRole(bearer))
        return bearer.startsWith('good')
          ? Promise.resolve(callerOf(bearer))
          : Promise.reject(new Unauthenticated('unknown'))
      },
    },
    callerRate: { perSecond: 2, burst: 3 },
    strangerRate: { perSecond: 1, burst: 4 },
  })
  ask = (token: string, address = 'a') => this.gate.identify(`Bearer ${token}`, address)
}

describe('the gate', () => {
  test('lets a caller in as often as it may come, and says when it may come again', async () => {
    const { ask } = new Scene()
    for (let turn = 0; turn < 3; turn += 1) expect(await ask('good-one')).toMatchObject({ id: 'good-one' })
    await expect(ask('good-one')).rejects.toMatchObject({ type: 'too-many-requests', headers: { 'retry-after': '1' } })
    expect(await ask('good-two')).toMatchObject({ id: 'good-two' })
  })

  test('lets it in again later', async () => {
    const scene = new Scene()
    for (let turn = 0; turn < 3; turn += 1) await scene.ask('good')
    scene.nowMs = 499
    await expect(scene.ask('good')).rejects.toMatchObject({ type: 'too-many-requests' })
    scene.nowMs = 500
    expect(await scene.ask('good')).toMatchObject({ id: 'good' })
  })

  test('does not look at what an address brings that brought too much', async () => {
    const scene = new Scene()
    for (let turn = 0; turn < 4; turn += 1) {
      await expect(scene.ask(`bad-${turn}`)).rejects.toMatchObject({ reason: 'unknown' })
    }
    await expect(scene.ask('bad-5')).rejects.toMatchObject({ type: 'too-many-requests' })
    await expect(scene.ask('good-new')).rejects.toMatchObject({ type: 'too-many-requests' })
    expect(scene.asked).toBe(4)
    await expect(scene.ask('bad', 'b')).rejects.toMatchObject({ reason: 'unknown' })
    scene.nowMs = 2000
    expect(await scene.ask('good-new')).toMatchObject({ id: 'good-new' })
  })

  test('limits who has no role as a person, whatever the address, and nobody else at it', async () => {
    const scene = new Scene()
    for (let turn = 0; turn < 4; turn += 1) {
      await expect(scene.ask('roleless-one', `a-${turn}`)).rejects.toBeInstanceOf(NoRole)
    }
    await expect(scene.ask('roleless-one', 'b')).rejects.toMatchObject({
      type: 'too-many-requests',
      headers: { 'retry-after': '1' },
    })
    await expect(scene.ask('roleless-two', 'b')).rejects.toBeInstanceOf(NoRole)
    expect(await scene.ask('good', 'b')).toMatchObject({ id: 'good' })
    scene.nowMs = 1000
    await expect(scene.ask('roleless-one', 'b')).rejects.toBeInstanceOf(NoRole)
  })

  test('takes an IPv6 network for one address: who has one has more than can be counted', async () => {
    const scene = new Scene()
    for (let turn = 0; turn < 4; turn += 1) {
      await expect(scene.ask('bad', `2001:db8:0:7::${turn}`)).rejects.toMatchObject({ reason: 'unknown' })
    }
    await expect(scene.ask('bad', '2001:db8:0:7:9::')).rejects.toMatchObject({ type: 'too-many-requests' })
    await expect(scene.ask('bad', '2001:db8:0:8::1')).rejects.toMatchObject({ reason: 'unknown' })
  })

  test('still lets in whom it knows at such an address', async () => {
    const scene = new Scene()
    await scene.ask('good')
    for (let turn = 0; turn < 4; turn += 1) await scene.ask(`bad-${turn}`).catch(() => undefined)
    expect(await scene.ask('good')).toMatchObject({ id: 'good' })
  })

  test('knows credentials no more that were refused since', async () => {
    const scene = new Scene()
    const revoked = { ...callerOf('x') }
    let isGood = true
    const gate = new Gate({
      now: () => scene.nowMs,
      people: {
        identify: () => (isGood ? Promise.resolve(revoked) : Promise.reject(new Unauthenticated('unknown'))),
      },
      strangerRate: { perSecond: 1, burst: 1 },
    })
    await gate.identify('Bearer x', 'a')
    isGood = false
    await expect(gate.identify('Bearer x', 'a')).rejects.toMatchObject({ reason: 'unknown' })
    await expect(gate.identify('Bearer x', 'a')).rejects.toMatchObject({ type: 'too-many-requests' })
  })

  test('asks for a role', () => {
    expect(() => mustBeAllowed(callerOf('a'), 'admin')).toThrow("needs the role 'admin'")
    expect(() => mustBeAllowed(callerOf('a'), 'operator')).not.toThrow()
  })
})

describe('buckets', () => {
  test('never hold more than a burst, and forget who was not seen longest', () => {
    let now = 0
    const buckets = new TokenBuckets({ perSecond: 1, burst: 2, now: () => now, mostCallers: 2 })
    buckets.take('a')
    now = 3600_000
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 1])
    expect(buckets.isEmpty('a')).toBe(true)
    buckets.take('b')
    buckets.take('a')
    buckets.take('c')
    expect(buckets.isEmpty('a')).toBe(true)
    buckets.take('b')
    expect(buckets.isEmpty('a')).toBe(false)
  })

  test('say how long it takes until there is one', () => {
    let now = 0
    const buckets = new TokenBuckets({ perSecond: 0.1, burst: 1, now: () => now })
    expect(buckets.take('a')).toBe(0)
    now = 4000
    expect(buckets.take('a')).toBe(6)
    now = 10_000
    expect(buckets.take('a')).toBe(0)
  })
})
