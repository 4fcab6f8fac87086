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
  renewedByOther,
  renewTime,
  retryMs,
  standby,
} from './machine-play.ts'

/** Lets time go on while the leader renews and the watch tells. */
function renewing(play: Play, ms: number): Play {
  for (let passedMs = 0; passedMs < ms; passedMs += retryMs) renewedByOther(play.pass(retryMs)).watch()
  return play
}

describe('a replica that starts', () => {
  test('looks at the Lease first, and creates it where there is none', () => {
    const play = new Play().give({ type: 'prepared', value: true })
    expect(play.status).toMatchObject({ role: 'starting', synced: false })
    expect(play.pending).toBe('read')
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    play.serve()
    expect(play.status).toMatchObject({ role: 'leading', epoch: 101n, holder: me })
    expect(play.lease).toMatchObject({ holder: me, durationMs: leaseMs, transitions: 0 })
  })

  test('takes a Lease at once that nobody has ever held, as the manifests create it', () => {
    const play = new Play()
    play.api.write('create', { metadata: { name: 'regent-agent-a', namespace: 'regent-system' }, spec: {} })
    play.give({ type: 'prepared', value: true }).serve()
    expect(play.status).toMatchObject({ role: 'leading', holder: me })
    expect(play.lease.annotations[leaseAnnotations.reason]).toBe('first')
  })

  test('waits where a Lease without holder was held before', () => {
    const play = new Play()
    play.api.write('create', leaseOf({ holderIdentity: '', renewTime: renewTime() }))
    play.give({ type: 'prepared', value: true }).serve()
    expect(play.status).toMatchObject({ role: 'standby' })
  })

  test('does not compete before its work is prepared', () => {
    const play = new Play().give({ type: 'tick' }).serve()
    expect(play.status).toMatchObject({ role: 'standby', synced: true, prepared: false })
    play.give({ type: 'prepared', value: true })
    expect(play.pending).toBe('take')
  })

  test('does not compete while its main thread hangs', () => {
    const play = new Play().give({ type: 'stalled', value: true }).give({ type: 'prepared', value: true }).serve()
    expect(play.status.role).toBe('standby')
    play.give({ type: 'stalled', value: false }).serve()
    expect(play.status.role).toBe('leading')
  })
})

describe('a Lease that is renewed', () => {
  test('is never taken, nor asked for: the watch tells', () => {
    const play = renewing(standby(), 60_000)
    expect(play.took()).toEqual([])
    expect(play.status.role).toBe('standby')
  })

  test('runs out only after its duration and the jitter, counted from when it was seen to change', () => {
    const play = standby()
    play.random = 0.999
    renewedByOther(play.pass(1000)).watch()
    play.live(leaseMs + 190)
    expect(play.lease.holder).toBe(other)
    play.live(60)
    expect(play.lease).toMatchObject({ holder: me, transitions: 1 })
    expect(play.state.hold?.reign.reason).toBe('expired')
  })

  test('runs out by its own duration where that is longer', () => {
    const play = standby()
    play.api.edit({ spec: { leaseDurationSeconds: 20, renewTime: renewTime() } })
    play.watch().live(19_900)
    expect(play.lease.holder).toBe(other)
    play.live(300)
    expect(play.lease.holder).toBe(me)
  })

  test('with a duration that nobody would configure runs out by the own one', () => {
    const play = standby()
    play.api.edit({ spec: { leaseDurationSeconds: 1e9, renewTime: renewTime() } })
    play.watch().live(leaseMs + 200)
    expect(play.lease.holder).toBe(me)
  })

  test('does not live longer by what people write on it', () => {
    const play = standby().pass(2900)
    play.api.edit({ annotations: { 'somebody.example/else': 'a note' } })
    play.watch().live(leaseMs - 2900 + 100)
    expect(play.lease.holder).toBe(me)
  })

  test('is not believed to be an older one by an event that comes late', () => {
    const play = standby()
    renewedByOther(play)
    const late = play.nextEvent()
    renewedByOther(play).watch()
    const { record } = play.state
    play.pass(1000).give(late)
    expect(play.state.record).toBe(record)
  })
})

describe('before a take', () => {
  test('the Lease is asked for, because only an answer proves that its holder could have renewed', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    expect(play.pending).toBe('read')
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    const write = play.takeEffects().findLast((effect) => effect.type === 'write')
    expect(write).toMatchObject({ method: 'update', lease: { metadata: { resourceVersion: '101' } } })
  })

  test('an answer to a question of before the Lease ran out proves nothing', () => {
    const play = standby().pass(3000).serve().pass(2999)
    play.state = { ...play.state, wantsRead: true }
    play.give({ type: 'tick' })
    expect(play.pending).toBe('read')
    play.pass(500).answer(answerOf(play.land()))
    expect(play.pending).toBe('read')
  })

  test('a renewal that only the look shows restarts the time, and nothing is written', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    renewedByOther(play).forgetEvents()
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('none')
    expect(play.took()).not.toContain('write')
    play.live(leaseMs - 100)
    expect(play.lease.holder).toBe(other)
  })

  test('that another won, the own one is refused and the time starts anew', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land()))
    play.api.edit({ spec: { holderIdentity: 'pod-c_uid-c_boot-3', renewTime: renewTime() } })
    play.serve()
    expect(play.status).toMatchObject({ role: 'standby', holder: 'pod-c_uid-c_boot-3' })
    play.live(leaseMs - 500)
    expect(play.lease.holder).toBe('pod-c_uid-c_boot-3')
  })
})

describe('an API server that was away', () => {
  /** Away from just after a renewal until all have long given up. */
  function away(): Play {
    const play = standby().pass(3000)
    for (let count = 0; count < 20; count += 1) {
      if (play.pending !== 'none') play.fail()
      play.pass(1000)
    }
    expect(play.status.role).toBe('standby')
    return play
  }

  test('is asked again and again, at most every two seconds after a while', () => {
    const play = standby()
    play.random = 1
    play.pass(3000)
    const asked: number[] = []
    for (let count = 0; count < 12; count += 1) {
      play.fail()
      const fromMs = play.now.monotonicMs
      for (let ms = 0; play.pending === 'none' && ms < 5000; ms += 25) play.pass(25)
      asked.push(play.now.monotonicMs - fromMs)
    }
    expect(asked[0]).toBe(75)
    expect(Math.max(...asked)).toBeLessThanOrEqual(2025)
    expect(asked.at(-1)).toBeGreaterThan(1900)
  })

  test('gives the incumbent two renew periods and a jitter to come back', () => {
    const play = away()
    play.random = 0.5
    play.serve().live(2 * retryMs + 90)
    expect(play.lease.holder).toBe(other)
    play.live(100)
    expect(play.lease.holder).toBe(me)
  })

  test('leaves the Lease to an incumbent that does', () => {
    const play = away().serve()
    renewedByOther(play.pass(1000)).watch()
    renewing(play, 20_000)
    expect(play.lease.holder).toBe(other)
  })
})

describe('a watch that is silent', () => {
  test('for two renew periods is checked by one look, and replaced if the Lease has moved', () => {
    const play = standby()
    renewedByOther(play.pass(2 * retryMs - 1)).forgetEvents()
    expect(play.took()).toEqual([])
    play.pass(1).answer(answerOf(play.land()))
    expect(play.took()).toEqual(['read', 'rewatch'])
  })

  test('is kept if nothing has happened', () => {
    const play = standby().pass(2 * retryMs)
    play.serve()
    expect(play.took()).toEqual(['read'])
  })

  test('is not checked while bookmarks come', () => {
    const play = standby()
    for (let count = 0; count < 4; count += 1) play.pass(1400).give({ type: 'bookmark' })
    expect(play.took()).toEqual([])
  })

  test('and cannot go on is made up for by a look', () => {
    const play = standby().give({ type: 'missed' })
    expect(play.pending).toBe('read')
  })
})

describe('a refused request', () => {
  const why = "may not update the Lease; the Role regent-agent-a must allow 'update'"

  test('to write is told as it is, and this standby counts as ready no more', () => {
    const play = standby()
    expect(play.isReady).toBe(true)
    play
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land())).answer({ kind: 'refused', why })
    expect(play.status.obstacle).toBe(why)
    play.serve()
    expect(play.status).toMatchObject({ synced: true, obstacle: why })
    expect(play.isReady).toBe(false)
  })

  test('to read is forgotten with the first answer', () => {
    const play = new Play().give({ type: 'tick' }).answer({ kind: 'refused', why })
    expect(play.status).toMatchObject({ role: 'starting', synced: false, obstacle: why })
    play.pass(100).serve()
    expect(play.status.obstacle).toBeUndefined()
  })

  test('is not repeated without a pause', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.took()
    let requests = 0
    for (let passedMs = 0; passedMs < 30_000; passedMs += 50) {
      if (play.pending === 'take') play.answer({ kind: 'refused', why })
      else if (play.pending === 'read') play.answer(answerOf(play.land()))
      play.pass(50)
      requests += play.took().filter((type) => type === 'read' || type === 'write').length
    }
    expect(requests).toBeLessThan(40)
  })
})

describe('a failed request', () => {
  const why = 'connect ECONNREFUSED 10.96.0.1:443'

  test('is told in its words until the API server answers, and is no obstacle', () => {
    const play = new Play().give({ type: 'tick' }).answer({ kind: 'failure', why })
    expect(play.status).toMatchObject({ role: 'starting', unreachable: why })
    play.pass(100).answer({ kind: 'failure', why: 'no answer within 1 s' })
    expect(play.status).toMatchObject({ unreachable: 'no answer within 1 s' })
    expect(play.status).not.toHaveProperty('obstacle')
    play.pass(200).serve()
    expect(play.status).not.toHaveProperty('unreachable')
  })

  test.each([
    ['standby', standby],
    ['leader', leader],
  ] as const)('is told by a %s too', (_, play) => {
    const failing = play().pass(3000).answer({ kind: 'failure', why })
    expect(failing.status).toMatchObject({ synced: true, unreachable: why })
    expect(failing.status).not.toHaveProperty('obstacle')
  })

  test('is forgotten where the API server answers that it does not want to', () => {
    const play = new Play().give({ type: 'tick' }).answer({ kind: 'failure', why }).pass(100)
    play.answer({ kind: 'refused', why: 'may not get the Lease' })
    expect(play.status).toMatchObject({ obstacle: 'may not get the Lease' })
    expect(play.status).not.toHaveProperty('unreachable')
  })
})

describe('a watch that is refused', () => {
  const why = "may not watch the Lease; the Role regent-agent-a must allow 'watch'"

  /** A standby whose watch is refused, and tells nothing of what happens. */
  function blind(): Play {
    return standby().give({ type: 'watch-refused', why })
  }

  /** Lets time go on without a watch. */
  function live(play: Play, ms: number): Play {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) play.forgetEvents().pass(50).serve()
    return play
  }

  test('is an obstacle until one is accepted', () => {
    const play = blind()
    expect(play.status).toMatchObject({ role: 'standby', synced: true, obstacle: why })
    expect(play.isReady).toBe(false)
    play.give({ type: 'watch-accepted' })
    expect(play.status.obstacle).toBeUndefined()
    expect(play.isReady).toBe(true)
  })

  test('is made up for by a look every renew period, and no other watch is asked for', () => {
    const play = blind()
    for (let count = 0; count < 10; count += 1) renewedByOther(live(play, retryMs))
    const took = play.took()
    expect(took.filter((type) => type === 'read').length).toBeGreaterThanOrEqual(9)
    expect(took).not.toContain('rewatch')
    expect(play.lease.holder).toBe(other)
  })

  test('lets a standby take a Lease that was given back, or has run out', () => {
    const released = blind()
    released.api.edit({ spec: { holderIdentity: '' }, annotations: { [leaseAnnotations.releasedBy]: other } })
    live(released, retryMs)
    expect(released.status.role).toBe('leading')
    const expired = live(blind(), leaseMs + retryMs)
    expect(expired.status.role).toBe('leading')
  })

  test('lets a standby see that a cordon is lifted although nobody holds the Lease', () => {
    const play = blind()
    const release = { [leaseAnnotations.releasedBy]: other, [leaseAnnotations.cordoned]: 'pod-a' }
    play.api.edit({ spec: { holderIdentity: '' }, annotations: release })
    live(play, 20_000)
    expect(play.status).toMatchObject({ role: 'standby', cordoned: true })
    play.api.edit({ annotations: { [leaseAnnotations.cordoned]: '' } })
    live(play, retryMs)
    expect(play.status.role).toBe('leading')
  })

  test('lets a leader lead on, and see by its renewals that it was told to step down', () => {
    const play = leader().give({ type: 'watch-refused', why })
    live(play, 20_000)
    expect(play.status.role).toBe('leading')
    play.api.edit({ annotations: { [leaseAnnotations.stepDown]: me } })
    live(play, retryMs + 100)
    expect(play.status.role).toBe('draining')
    expect(play.took()).not.toContain('rewatch')
  })
})

describe('garbage in the Lease', () => {
  test.each(['somebody', 'a_b', 'x_y_z_w', '__'])('as holder %p is a holder like any other', (holder) => {
    const play = standby()
    play.api.edit({ spec: { holderIdentity: holder, renewTime: renewTime() } })
    play.watch().live(leaseMs - 100)
    expect(play.lease.holder).toBe(holder)
    play.live(300)
    expect(play.lease.holder).toBe(me)
  })

  test('of every field but the version still leaves a leader', () => {
    const play = new Play()
    const { takeovers, cordoned } = leaseAnnotations
    const spec = { holderIdentity: 7, renewTime: {}, acquireTime: [], leaseTransitions: 'x', leaseDurationSeconds: '6' }
    const lease = leaseOf({}, { [takeovers]: '[{"epoch":"x"}]', [cordoned]: ',,' })
    play.give({ type: 'prepared', value: true })
    play.api.lease = { metadata: { ...lease.metadata, resourceVersion: '100', uid: 'u' }, spec }
    play.live(leaseMs + 300)
    expect(play.status.role).toBe('leading')
    expect(JSON.parse(play.lease.annotations[takeovers] ?? '')).toHaveLength(1)
  })
})
