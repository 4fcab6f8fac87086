import { describe, expect, test } from '@jest/globals'
import {
  answerOf,
  leader,
  leaseMs,
  leaseOf,
  me,
  other,
  Play,
  renewedByOther,
  renewTime,
  standby,
} from './machine-play.ts'

const dead = (play: Play, holder = other, by: 'peer' | 'pod' = 'peer'): Play =>
  play.give({ type: 'death', holder, by, sign: play.now })

describe('evidence of death', () => {
  test.each(['peer', 'pod'] as const)('by %s lets a standby take the Lease at once, at the version it knows', (by) => {
    const play = dead(standby().pass(1000), other, by)
    expect(play.pending).toBe('take')
    play.serve()
    expect(play.state.hold?.reign).toMatchObject({ reason: `${by}-evidence`, phases: { detected: 0 } })
    expect(play.state.takeovers[0]).toMatchObject({ from: other })
  })

  test('counts from its first sign', () => {
    const play = standby().pass(1000)
    const sign = play.now
    play.pass(40).give({ type: 'death', holder: other, by: 'peer', sign }).serve()
    expect(play.state.hold?.reign.phases).toMatchObject({ detected: 40 })
  })

  test('is none where its holder wrote since: the take is refused, and it must be confirmed again', () => {
    const play = standby().pass(1000)
    renewedByOther(play).forgetEvents()
    dead(play).answer(answerOf(play.land()))
    expect(play.pending).toBe('read')
    play.took()
    play.serve()
    expect(play.took()).toEqual(['confirm-death'])
    expect(play.status).toMatchObject({ role: 'standby', holder: other })
    play.live(leaseMs - 1000)
    expect(play.lease.holder).toBe(other)
  })

  test('is forgotten when its holder shows a sign of life before it can be used', () => {
    const play = dead(new Play().give({ type: 'tick' }))
    expect(play.state.death).toBeUndefined()
    const waiting = standby().give({ type: 'prepared', value: false }).pass(500)
    dead(waiting)
    renewedByOther(waiting).watch()
    expect(waiting.took()).toContain('confirm-death')
    waiting.give({ type: 'prepared', value: true })
    expect(waiting.pending).toBe('none')
  })

  test('of somebody who does not hold the Lease is none', () => {
    const play = dead(standby().pass(1000), 'pod-c_uid-c_boot-3')
    expect(play.pending).toBe('none')
  })

  test('does not outlive the holder that it is about', () => {
    const play = standby().give({ type: 'prepared', value: false })
    dead(play)
    play.api.edit({ spec: { holderIdentity: 'pod-c_uid-c_boot-3', renewTime: renewTime() } })
    play.watch().give({ type: 'prepared', value: true })
    expect(play.pending).toBe('none')
  })

  test('about itself is no reason for a leader to take anything', () => {
    const play = dead(leader(), me)
    expect(play.state.death).toBeUndefined()
    expect(play.pending).toBe('none')
  })

  test('is left by who stands aside for others, for one lease duration', () => {
    const play = standby()
    play.state = { ...play.state, aside: { untilMs: play.now.monotonicMs + 30_000, seconds: 30, forOthers: true } }
    dead(play).pass(2000)
    expect(play.pending).toBe('none')
    renewedByOther(play).watch()
    dead(play.pass(500)).live(leaseMs - 100)
    expect(play.lease.holder).toBe(other)
    play.live(200)
    expect(play.state.hold?.reign.reason).toBe('peer-evidence')
  })
})

describe('a container that was restarted', () => {
  const previous = 'pod-a_uid-a_boot-0'

  function restarted(mayRetakeAtOnce: boolean): Play {
    const play = new Play({ mayRetakeAtOnce })
    play.api.write('create', leaseOf({ holderIdentity: previous, renewTime: renewTime(), acquireTime: renewTime() }))
    return play.give({ type: 'prepared', value: true }).serve()
  }

  test('takes the Lease of the one before it at once, as another transition', () => {
    const play = restarted(true)
    expect(play.state.hold?.reign.reason).toBe('restarted')
    expect(play.lease).toMatchObject({ holder: me, transitions: 1 })
    expect(play.state.takeovers[0]).toMatchObject({ from: previous })
  })

  test('leaves it to others where it was restarted too often, until it runs out', () => {
    const play = restarted(false)
    expect(play.status).toMatchObject({ role: 'standby', holder: previous })
    play.live(leaseMs + 200)
    expect(play.state.hold?.reign.reason).toBe('expired')
  })
})
