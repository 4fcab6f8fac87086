import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { answerOf, deadlineMs, endWork, leader, leaseMs, me, other, Play, renewTime, standby } from './machine-play.ts'

const { reason, releasedBy } = leaseAnnotations

function stopping(play: Play): Play {
  return play.give({ type: 'stop' })
}

/** How long it takes until the replica has stopped while every request fails after a second, in milliseconds. */
function stoppedWithoutServerMs(play: Play): number {
  const fromMs = play.now.monotonicMs
  for (let count = 0; count < 2000 && play.status.role !== 'stopped'; count += 1) {
    play.pass(50)
    const { request } = play.state
    if (request && play.now.monotonicMs - request.startedAt.monotonicMs >= 1000) play.fail()
  }
  expect(play.status.role).toBe('stopped')
  return play.now.monotonicMs - fromMs
}

describe('a replica that is stopped', () => {
  test('before it has read anything, or as a standby, stops at once', () => {
    expect(stopping(new Play()).took()).toContain('stopped')
    expect(stopping(standby()).took()).toEqual(['stopped'])
  })

  test('hears nothing and wants nothing any more', () => {
    const play = stopping(standby())
    play.took()
    play.give({ type: 'tick' }).pass(60_000)
    play.api.remove()
    play.watch()
    expect(play.took()).toEqual([])
  })

  test('as the leader drains, gives the Lease back, and only then stops', () => {
    const play = stopping(leader())
    expect(play.took()).toEqual(['drain'])
    play.live(5000)
    expect(play.status.role).toBe('draining')
    play.took()
    endWork(play)
    expect(play.pending).toBe('release')
    play.serve()
    expect(play.took().at(-1)).toBe('stopped')
    expect(play.lease.annotations).toMatchObject({ [releasedBy]: me, [reason]: 'released' })
  })

  test('leads without having begun gives the Lease back at once', () => {
    const play = new Play().give({ type: 'prepared', value: true })
    play.answer(answerOf(play.land())).give({ type: 'stalled', value: true })
    play.answer(answerOf(play.land()))
    expect(play.status.role).toBe('suspended')
    stopping(play).serve()
    expect(play.status.role).toBe('stopped')
    expect(play.lease.holder).toBe('')
  })
})

describe('a stop while a take is in flight', () => {
  function taking(): Play {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    return stopping(play)
  }

  test('waits for its answer, and gives back what it took', () => {
    const play = taking()
    expect(play.status.role).not.toBe('stopped')
    play.serve()
    expect(play.status.role).toBe('stopped')
    expect(play.lease).toMatchObject({ holder: '' })
    expect(play.took()).not.toContain('begin')
  })

  test('that did not take it stops', () => {
    const play = taking()
    play.api.edit({ spec: { holderIdentity: 'pod-c_uid-c_boot-3', renewTime: renewTime() } })
    play.serve()
    expect(play.status.role).toBe('stopped')
    expect(play.lease.holder).toBe('pod-c_uid-c_boot-3')
  })

  test('whose answer is lost looks what became of it, and gives back what it took', () => {
    const play = taking()
    play.land()
    play.forgetEvents().pass(1000).fail().pass(100)
    expect(play.pending).toBe('read')
    play.serve()
    expect(play.lease).toMatchObject({ holder: '' })
    expect(play.status.role).toBe('stopped')
  })

  test('does not wait for ever for that look', () => {
    expect(stoppedWithoutServerMs(taking())).toBeLessThanOrEqual(3100)
  })
})

describe('a stop while the API server is away', () => {
  test('ends at the renew deadline where the work ends, for then the Lease is nobody’s to give', () => {
    const play = endWork(stopping(leader()))
    expect(stoppedWithoutServerMs(play)).toBeLessThanOrEqual(deadlineMs + 1000)
  })

  test('ends at once where the leader was suspended', () => {
    const play = leader().pass(deadlineMs)
    endWork(play)
    if (play.pending !== 'none') play.fail()
    stopping(play)
    expect(stoppedWithoutServerMs(play)).toBeLessThanOrEqual(1100)
  })

  test('of a leader that is suspended gives the Lease back if it can', () => {
    const play = leader().pass(deadlineMs)
    endWork(play)
    if (play.pending !== 'none') play.fail()
    stopping(play.pass(100).serve().watch())
    endWork(play).serve()
    expect(play.lease.holder).toBe('')
    expect(play.status.role).toBe('stopped')
  })

  test('of a leader that drains ends the work at the renew deadline, and stops', () => {
    const play = stopping(leader()).pass(deadlineMs)
    expect(play.takeEffects()).toContainEqual(expect.objectContaining({ type: 'end', reason: 'suspended' }))
    endWork(play)
    expect(stoppedWithoutServerMs(play)).toBeLessThanOrEqual(1100)
  })

  test('that refuses the release ends all the same', () => {
    const play = endWork(stopping(leader()))
    const fromMs = play.now.monotonicMs
    for (let count = 0; count < 200 && play.status.role !== 'stopped'; count += 1) {
      if (play.pending === 'release') play.answer({ kind: 'refused', why: 'may not' })
      play.pass(50)
    }
    expect(play.status.role).toBe('stopped')
    expect(play.now.monotonicMs - fromMs).toBeLessThanOrEqual(deadlineMs + 100)
  })

  test('of work that does not end is killed, and gives nothing back', () => {
    const play = stopping(leader())
    for (let count = 0; count < 800 && !play.took().includes('kill'); count += 1) play.live(50)
    expect(play.status.role).toBe('draining')
    expect(play.lease.holder).toBe(me)
  })
})

describe('a stop while the Lease', () => {
  test('is deleted ends the work and leaves the Lease to others', () => {
    const play = stopping(leader())
    play.api.remove()
    play.watch()
    expect(play.took()).toContain('end')
    expect(play.status.role).not.toBe('stopped')
    endWork(play)
    expect(play.status.role).toBe('stopped')
    expect(play.api.lease).toBeUndefined()
  })

  test('goes to another ends the work and stops', () => {
    const play = stopping(leader())
    play.api.edit({ spec: { holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() } })
    endWork(play.watch())
    expect(play.status.role).toBe('stopped')
    expect(play.lease.holder).toBe(other)
  })
})
