import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import {
  answerOf,
  leader,
  leaseMs,
  leaseOf,
  me,
  other,
  Play,
  recordOf,
  renewTime,
  standby,
  third,
} from './machine-play.ts'

const { releasedBy, reason } = leaseAnnotations

describe('a take', () => {
  /** Sees the Lease run out, and takes it. */
  function taking(): Play {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    return play
  }

  test('whose answer comes after the watch showed the next holder is over, and steals nothing', () => {
    const play = taking()
    const answer = answerOf(play.land())
    play.api.edit({ spec: { holderIdentity: third, renewTime: renewTime(), acquireTime: renewTime() } })
    play.watch().answer(answer).serve().live(3000)
    expect(play.status.role).toBe('standby')
    expect(play.lease.holder).toBe(third)
  })

  test('whose answer comes after the watch has shown only the next holder is over too', () => {
    const play = taking()
    const answer = answerOf(play.land())
    play.forgetEvents()
    play.api.edit({ spec: { holderIdentity: third, renewTime: renewTime(), acquireTime: renewTime() } })
    play.watch().answer(answer).serve().live(3000)
    expect(play.status.role).toBe('standby')
    expect(play.lease.holder).toBe(third)
    expect(play.took()).not.toContain('begin')
  })

  test('that landed without an answer is recognized by the watch, and counts from its start', () => {
    const play = taking()
    play.land()
    play.watch()
    expect(play.state.hold?.acknowledgedAt).toEqual(play.now)
    expect(play.took()).toContain('begin')
  })

  test('that lands long after it was given up is led on only after a renewal', () => {
    const play = taking()
    const frozen = play.state.request
    expect(frozen?.kind).toBe('take')
    const write = play.effects.findLast((effect) => effect.type === 'write')
    if (write?.type !== 'write') throw new Error('nothing was written')
    play.pass(1000).fail().pass(100).serve()
    play.took()
    play.pass(2500)
    play.api.write(write.method, write.lease)
    play.pass(10_000)
    expect(play.took()).not.toContain('begin')
    play.serve()
    expect(play.status.role).toBe('leading')
    expect(play.state.hold?.reign.epoch).toBeLessThan(play.lease.version ?? 0n)
  })
})

describe('a leader whose Lease shows', () => {
  test('that it was given back, while it did not give it back, ends and takes nothing', () => {
    const play = leader()
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [releasedBy]: me } })
    play.watch()
    expect(play.took()).toEqual(expect.arrayContaining(['forbid', 'end']))
    expect(play.status.role).toBe('standby')
  })

  test('that it was given back, while its work still drains, ends that work', () => {
    const play = leader()
    play.api.edit({ annotations: { [leaseAnnotations.stepDown]: me } })
    play.watch()
    expect(play.status.role).toBe('draining')
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [releasedBy]: me } })
    play.watch()
    expect(play.took()).toContain('end')
  })

  test('itself as the holder of another Lease of the name leads it with another epoch', () => {
    const play = leader()
    const before = play.status.epoch ?? 0n
    const { lease } = play.api
    play.api.remove()
    if (lease) play.api.write('create', lease)
    play.give({ type: 'event', lease: play.lease })
    expect(play.took()).toContain('end')
    play.give({ type: 'work-ended', epoch: before }).serve()
    expect(play.status.role).toBe('leading')
    expect(play.status.epoch).toBeGreaterThan(before)
  })

  test('itself again, after another has led, leads with another epoch', () => {
    const play = leader()
    const before = play.status.epoch ?? 0n
    const { acquireTime } = play.lease
    play.api.edit({ spec: { holderIdentity: third, acquireTime: renewTime() } })
    play.api.edit({ spec: { holderIdentity: me, acquireTime: renewTime() } })
    expect(play.lease.acquireTime).not.toBe(acquireTime)
    play.give({ type: 'event', lease: play.lease })
    expect(play.took()).toContain('end')
    play.give({ type: 'work-ended', epoch: before }).serve()
    expect(play.status.epoch).toBeGreaterThan(before)
  })
})

describe('a standby', () => {
  test('does not believe a duration shorter than its own: it may be a hand edit', () => {
    const play = standby()
    play.api.edit({ spec: { leaseDurationSeconds: 1 } })
    play.watch().live(leaseMs - 100)
    expect(play.lease.holder).toBe(other)
    play.live(1000)
    expect(play.lease.holder).toBe(me)
  })

  test('takes a Lease that counts as many transitions as it can', () => {
    const play = new Play()
    const most = 2 ** 31 - 1
    play.api.write('create', leaseOf({ holderIdentity: other, leaseTransitions: most, renewTime: renewTime() }))
    play.give({ type: 'prepared', value: true }).live(leaseMs + 500)
    expect(play.lease).toMatchObject({ holder: me, transitions: most })
  })

  test('tells no reason that is none', () => {
    const play = standby()
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [releasedBy]: other, [reason]: 'toString' } })
    play.watch().serve()
    expect(play.state.hold?.reign.reason).toBe('released')
  })

  test('looks again where an absence is older than the Lease that the watch has shown', () => {
    const play = standby().pass(3000)
    expect(play.pending).toBe('read')
    play.api.edit({ spec: { renewTime: renewTime() } })
    play.watch().answer({ kind: 'absent' })
    expect(play.status.holder).toBe(other)
    expect(play.pending).toBe('read')
    play.serve()
    expect(play.status.holder).toBe(other)
  })

  test('that was refused a write is ready again when another replica could write', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land())).answer({ kind: 'refused', why: 'the Role must allow update' })
    play.serve()
    expect(play.status.obstacle).toBe('the Role must allow update')
    expect(play.isReady).toBe(false)
    play.api.edit({ spec: { renewTime: renewTime() } })
    play.watch()
    expect(play.status.obstacle).toBeUndefined()
    expect(play.isReady).toBe(true)
  })
})

describe('a replica that saw no number as a resourceVersion', () => {
  test('asks again until it sees one', () => {
    const play = new Play().give({ type: 'tick' }).give({ type: 'prepared', value: true })
    play.api.write('create', leaseOf({ holderIdentity: other, renewTime: renewTime() }))
    const garbage = recordOf({ metadata: { resourceVersion: 'abc' }, spec: {} })
    play.answer({ kind: 'lease', lease: garbage })
    expect(play.status.obstacle).toContain('no number')
    play.pass(10_000)
    expect(play.pending).toBe('read')
    play.serve()
    expect(play.status).toMatchObject({ role: 'standby', holder: other, synced: true })
    expect(play.status.obstacle).toBeUndefined()
  })

  test('trusts the very version again that it knew', () => {
    const play = leader()
    play.give({ type: 'event', lease: { ...play.lease, version: undefined } })
    expect(play.took()).toContain('end')
    play.give({ type: 'work-ended', epoch: play.state.work?.epoch ?? 0n })
    play.pass(10_000).serve()
    expect(play.status.role).toBe('leading')
  })
})

describe('the renewTime', () => {
  test('of two attempts differs although the clock was set back to the very same moment', () => {
    const play = leader().pass(1500)
    const wall = play.now.wallMs
    play.fail().pass(1000)
    expect(play.pending).toBe('renew')
    play.fail()
    play.stepWall(wall - play.now.wallMs - 50)
    play.pass(50)
    expect(play.pending).toBe('renew')
    expect(play.now.wallMs).toBe(wall)
    const writes = play.takeEffects().flatMap((effect) => (effect.type === 'write' ? [effect.lease.spec] : []))
    const times = writes.map(({ renewTime }) => renewTime)
    expect(new Set(times).size).toBe(times.length)
  })
})
