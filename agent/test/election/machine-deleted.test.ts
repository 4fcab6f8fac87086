import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { deadlineMs, endWork, leader, leaseMs, me, other, type Play, renewTime, standby } from './machine-play.ts'

const { releasedBy } = leaseAnnotations

describe('a Lease that is deleted', () => {
  test('is created again by its holder at once, with a greater epoch, and led when the old work has ended', () => {
    const play = leader()
    const before = play.status.epoch ?? 0n
    play.api.remove()
    play.watch()
    expect(play.took()).toEqual(expect.arrayContaining(['forbid', 'end', 'write']))
    play.serve()
    expect(play.lease).toMatchObject({ holder: me, transitions: 1 })
    expect(play.took()).not.toContain('begin')
    play.give({ type: 'work-ended', epoch: before })
    expect(play.status.epoch).toBeGreaterThan(before)
    expect(play.lease.annotations[leaseAnnotations.epoch]).toBe(String(play.status.epoch))
    expect(play.state.hold?.reign).toMatchObject({ reason: 'deleted' })
    expect(play.takeEffects()).toContainEqual(expect.objectContaining({ type: 'begin', resumed: false }))
  })

  test('is noticed by the renewal where no watch tells it', () => {
    const play = leader()
    const before = play.status.epoch ?? 0n
    play.api.remove()
    play.forgetEvents().live(1600)
    expect(play.status.epoch).toBeGreaterThan(before)
    expect(play.lease.holder).toBe(me)
  })

  test('is created by a standby only when whoever led until then has stopped', () => {
    const play = standby().pass(1000)
    play.api.remove()
    play.watch().live(leaseMs - 100)
    expect(play.api.lease).toBeUndefined()
    play.live(300)
    expect(play.lease).toMatchObject({ holder: me, transitions: 1 })
    expect(play.state.hold?.reign.reason).toBe('expired')
  })

  test('is left for its whole duration by a standby that sees its absence long after it was cut off', () => {
    const play = standby().pass(3000)
    for (let count = 0; count < 30; count += 1) play.pass(500).fail().pass(2100)
    play.api.remove()
    play.forgetEvents().serve()
    expect(play.status.holder).toBeUndefined()
    play.live(leaseMs - 100)
    expect(play.api.lease).toBeUndefined()
  })

  test('is not claimed by its former holder when that could not do so before others may', () => {
    const play = leader()
    play.api.remove()
    play.watch()
    for (let count = 0; count < 8; count += 1) play.fail().pass(1100)
    expect(play.state.work).toBeDefined()
    endWork(play).serve()
    expect(play.status.role).toBe('standby')
    expect(play.api.lease).toBeUndefined()
  })

  test('and that another created is theirs', () => {
    const play = leader()
    const { lease } = play.api
    play.api.remove()
    play.api.write('create', {
      metadata: lease?.metadata ?? {},
      spec: { ...lease?.spec, holderIdentity: other, renewTime: renewTime() },
    })
    endWork(play.watch()).live(5000)
    expect(play.status).toMatchObject({ role: 'standby', holder: other })
  })

  test('twice within one look is one of the same history', () => {
    const play = leader()
    play.give({ type: 'deleted', version: 50n })
    expect(play.status.role).toBe('leading')
  })
})

describe('a holder that is edited away', () => {
  const clear = (play: Play): Play => {
    play.api.edit({ spec: { holderIdentity: '' } })
    return play
  }

  test('takes the Lease again at once, with a greater epoch', () => {
    const play = leader()
    const before = play.status.epoch ?? 0n
    clear(play).watch()
    play.give({ type: 'work-ended', epoch: before }).serve()
    expect(play.status.epoch).toBeGreaterThan(before)
    expect(play.state.hold?.reign.reason).toBe('cleared')
  })

  test('takes it again after a suspension, while others may not yet', () => {
    const play = leader().pass(deadlineMs)
    endWork(play).fail()
    clear(play).forgetEvents().pass(200).serve()
    expect(play.status.role).toBe('leading')
    expect(play.state.hold?.reign.reason).toBe('cleared')
  })

  test('is waited for by a standby as if nothing had happened', () => {
    const play = standby()
    clear(play)
      .watch()
      .live(leaseMs - 100)
    expect(play.lease.holder).toBe('')
    play.live(300)
    expect(play.lease.holder).toBe(me)
  })

  test('and marked as given back by another is free, and not taken back before them', () => {
    const play = leader()
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [releasedBy]: other } })
    play.watch()
    expect(play.state.reclaim).toBeUndefined()
  })
})
