import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { takeovers } from '@regent/contract/takeover.ts'
import {
  abortMs,
  answerOf,
  deadlineMs,
  endWork,
  leader,
  leaseMs,
  me,
  other,
  type Play,
  renewTime,
  retryMs,
  standby,
} from './machine-play.ts'

/** Until when work may act, as the machine said last. */
function allowedUntil(play: Play): { monotonicMs: number; wallMs: number } {
  const allow = play.takeEffects().findLast((effect) => effect.type === 'allow')
  if (allow?.type !== 'allow') throw new Error('no work was allowed')
  return allow.until
}

/** A leader whose renewals fail from now on, until its renew deadline is over. */
function suspended(): Play {
  const play = leader()
  for (let passedMs = 0; passedMs < deadlineMs; passedMs += 500) {
    play.pass(500)
    if (play.pending !== 'none') play.fail()
  }
  return play
}

describe('a leader', () => {
  test('begins with the epoch of the write that acquired the Lease, and says so on it', () => {
    const play = standby()
    play.live(leaseMs)
    expect(play.status).toMatchObject({ role: 'leading', holder: me })
    const { acquisitions } = play.api
    const epoch = acquisitions.at(-1)?.version
    expect(play.status.epoch).toBe(BigInt(epoch ?? 0))
    const { annotations } = play.lease
    expect(annotations).toMatchObject({
      [leaseAnnotations.epoch]: String(epoch),
      [leaseAnnotations.node]: 'node-a',
      [leaseAnnotations.reason]: 'expired',
      [leaseAnnotations.since]: expect.stringMatching(/^2026-01-02T/),
    })
    const [latest] = takeovers.parse(JSON.parse(annotations[leaseAnnotations.takeovers] ?? ''))
    expect(latest).toMatchObject({ epoch: String(epoch), holder: me, from: other, reason: 'expired' })
    expect(latest?.phases.detected).toBeGreaterThanOrEqual(leaseMs)
    expect(annotations[leaseAnnotations.since]).toBe(latest?.at)
  })

  test('tells where its standbys can connect to, once they can', () => {
    const play = leader({ peer: '10.0.0.1:8081' })
    play.live(2 * retryMs)
    expect(play.lease.annotations[leaseAnnotations.peer]).toBeUndefined()
    play.give({ type: 'listening' }).live(retryMs)
    expect(play.lease.annotations[leaseAnnotations.peer]).toBe('10.0.0.1:8081')
  })

  test('tells it with the write that acquires the Lease', () => {
    const play = standby({ peer: '10.0.0.1:8081' }).give({ type: 'listening' })
    play.pass(3000).serve()
    play.pass(leaseMs - 3000).answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    play.land()
    expect(play.lease).toMatchObject({ holder: me, annotations: { [leaseAnnotations.peer]: '10.0.0.1:8081' } })
  })

  test('tells how it stands with the control plane, until it leads no more', () => {
    const play = leader()
    expect(play.lease.annotations[leaseAnnotations.link]).toBeUndefined()
    for (const state of ['registered', 'unregistered', 'registered'] as const) {
      play.give({ type: 'link', state })
      play.live(2 * retryMs)
      expect(play.lease.annotations[leaseAnnotations.link]).toBe(state)
    }
    play.give({ type: 'stop' })
    endWork(play)
    play.live(retryMs)
    expect(play.lease.annotations[leaseAnnotations.link]).toBeUndefined()
  })

  test('tells how long the takeover took until the control plane admitted it, once', () => {
    const play = leader()
    const latest = () => takeovers.parse(JSON.parse(play.lease.annotations[leaseAnnotations.takeovers] ?? ''))[0]
    play.live(retryMs)
    const { acquired = 0 } = latest()?.phases ?? {}
    expect(latest()?.phases).not.toHaveProperty('registered')
    const beganMs = play.state.hold?.sinceMs ?? 0
    play.give({ type: 'link', state: 'registered' })
    const registered = acquired + play.now.monotonicMs - beganMs
    play.live(2 * retryMs)
    expect(latest()?.phases).toMatchObject({ acquired, registered })
    // A connection that only came again is no takeover.
    for (const state of ['unregistered', 'registered'] as const) play.give({ type: 'link', state })
    play.live(2 * retryMs)
    expect(latest()?.phases.registered).toBe(registered)
  })

  test('tells who leads, since when and why right again where somebody has edited it', () => {
    const play = leader()
    play.live(retryMs)
    const { annotations } = play.lease
    const { epoch, since, reason, takeovers: last, node } = leaseAnnotations
    play.api.edit({ annotations: Object.fromEntries([epoch, since, reason, last, node].map((key) => [key, '{{'])) })
    play.watch().live(2 * retryMs)
    expect(play.lease.annotations).toEqual(annotations)
  })

  test('renews every renew period, counted from the start of the renewal', () => {
    const play = leader()
    for (let count = 0; count < 5; count += 1) {
      play.pass(retryMs - 1)
      expect(play.pending).toBe('none')
      play.pass(1)
      expect(play.pending).toBe('renew')
      play.serve().watch()
    }
    expect(play.lease).toMatchObject({ holder: me, transitions: 0 })
  })

  test('may act until the renew deadline, counted from the start of the renewal and not from its answer', () => {
    const play = leader().pass(retryMs)
    const startedAt = play.now
    play.took()
    const answer = answerOf(play.land())
    play.pass(900).answer(answer)
    expect(allowedUntil(play).monotonicMs).toBe(startedAt.monotonicMs + deadlineMs)
  })

  test('may act until the renew deadline, counted from the start of the take and not from its answer', () => {
    const play = standby()
      .pass(3000)
      .serve()
      .pass(leaseMs - 3000)
    play.answer(answerOf(play.land()))
    const startedAt = play.now
    const answer = answerOf(play.land())
    play.pass(900).answer(answer)
    expect(allowedUntil(play)).toEqual({
      monotonicMs: startedAt.monotonicMs + deadlineMs,
      wallMs: startedAt.wallMs + deadlineMs,
    })
  })

  test('whose renewal was not answered finds it on the Lease, and counts from its start', () => {
    const play = leader().pass(retryMs)
    const startedAt = play.now
    play.land()
    play.pass(1000).fail().pass(200)
    play.took()
    play.answer(answerOf(play.land()))
    expect(play.took()).toContain('slow-path')
    play.answer(answerOf(play.land()))
    expect(play.state.hold?.acknowledgedAt).toEqual(startedAt)
  })

  test('is not renewed by what others write on its Lease', () => {
    const play = leader()
    const { acknowledgedAt } = play.state.hold ?? {}
    play.pass(1000)
    play.api.edit({ spec: { renewTime: renewTime() } })
    play.watch()
    expect(play.state.hold?.acknowledgedAt).toBe(acknowledgedAt)
    play.pass(deadlineMs - 1000)
    expect(play.took()).toContain('end')
  })

  test('keeps what others write on its Lease', () => {
    const play = leader()
    play.api.edit({ annotations: { 'somebody.example/else': 'a note' } })
    play.watch().live(5000)
    expect(play.lease.annotations).toMatchObject({ 'somebody.example/else': 'a note' })
  })

  test('that sees another holder ends, and renews nothing', () => {
    const play = leader()
    play.api.edit({ spec: { holderIdentity: other, acquireTime: renewTime(), renewTime: renewTime() } })
    play.watch()
    expect(play.took()).toEqual(['forbid', 'end'])
    play.live(5000)
    expect(play.lease.holder).toBe(other)
  })

  test('that lost its Lease competes again only when its work has ended', () => {
    const play = leader()
    play.api.edit({ spec: { holderIdentity: other, acquireTime: renewTime(), renewTime: renewTime() } })
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [leaseAnnotations.releasedBy]: other } })
    play.watch()
    expect(play.pending).toBe('none')
    expect(endWork(play).pending).toBe('take')
  })

  test('replaces a watch that tells nothing of its own renewals', () => {
    const play = leader()
    for (let passedMs = 0; passedMs < 6000; passedMs += retryMs) play.pass(retryMs).serve().forgetEvents()
    expect(play.took()).toContain('rewatch')
  })

  test('says how long its renewals take', () => {
    const play = leader().pass(retryMs)
    const answer = answerOf(play.land())
    play.pass(250).answer(answer)
    expect(play.takeEffects()).toContainEqual({ type: 'renewed', seconds: 0.25 })
  })
})

describe('a leader that cannot renew', () => {
  test('has begun three attempts of a second each by then, even where chance is against it', () => {
    const play = leader()
    play.random = 1
    let attempts = 0
    for (let passedMs = 0; passedMs < deadlineMs; passedMs += 50) {
      play.pass(50)
      if (play.pending === 'renew' && play.now.monotonicMs - (play.state.request?.startedAt.monotonicMs ?? 0) >= 1000) {
        play.fail()
        attempts += 1
      }
    }
    expect(attempts + (play.pending === 'renew' ? 1 : 0)).toBe(3)
    expect(play.status.role).toBe('suspended')
  })

  test('pauses before it tries again where it is refused at once', () => {
    const play = leader().pass(retryMs).fail()
    expect(play.pending).toBe('none')
    play.pass(49)
    expect(play.pending).toBe('none')
    play.pass(1)
    expect(play.pending).toBe('renew')
  })

  test('pauses shortly again after an attempt that succeeded', () => {
    const play = leader()
    play.random = 1
    play.pass(retryMs).fail().pass(150).fail().pass(250).serve().watch()
    play.pass(retryMs).fail().pass(149)
    expect(play.pending).toBe('none')
    play.pass(1)
    expect(play.pending).toBe('renew')
  })

  test('steps down at the renew deadline, not before', () => {
    const play = leader().pass(deadlineMs - 1)
    expect(play.took()).not.toContain('end')
    play.pass(1)
    const ended = play.takeEffects()
    expect(ended).toContainEqual(expect.objectContaining({ type: 'end', reason: 'suspended' }))
    expect(ended.map(({ type }) => type)).toContain('forbid')
    expect(play.status.role).toBe('suspended')
  })

  test('steps down when the wall clock says so, although the monotonic one stood still', () => {
    const play = leader().stepWall(deadlineMs).give({ type: 'tick' })
    expect(play.took()).toContain('end')
  })

  test('is not kept by a wall clock that was set back', () => {
    const play = leader().stepWall(-3_600_000).pass(deadlineMs)
    expect(play.took()).toContain('end')
  })

  test('is killed when its work does not end within the abort budget', () => {
    const play = suspended().pass(abortMs - 1)
    expect(play.took()).not.toContain('kill')
    play.pass(1)
    expect(play.took()).toContain('kill')
  })

  test('is killed on time although it saw its deadline late', () => {
    const play = leader()
    play.now = { monotonicMs: play.now.monotonicMs + deadlineMs + abortMs, wallMs: play.now.wallMs }
    play.give({ type: 'tick' })
    expect(play.took()).toEqual(expect.arrayContaining(['forbid', 'end', 'kill']))
  })

  test('goes on with the same epoch when its Lease is still its own, however late', () => {
    const play = endWork(suspended())
    const { epoch } = play.status
    for (let count = 0; count < 60; count += 1) {
      play.pass(1000)
      if (play.pending !== 'none') play.fail()
    }
    play.took()
    play.pass(2000).serve()
    expect(play.takeEffects()).toContainEqual(expect.objectContaining({ type: 'begin', resumed: true }))
    expect(play.status).toMatchObject({ role: 'leading', epoch })
    expect(play.lease.transitions).toBe(0)
  })

  test('does not go on before its work has ended', () => {
    const play = suspended()
    play.took()
    play.pass(200).serve()
    expect(play.took().filter((type) => type === 'begin' || type === 'allow')).toEqual([])
    expect(endWork(play).took()).toEqual(expect.arrayContaining(['allow', 'begin']))
  })

  test('says what of the suspended epoch became of its work', () => {
    const play = suspended()
    const epoch = play.status.epoch ?? 0n
    play.took()
    expect(endWork(play).takeEffects()).toContainEqual({ type: 'ended', epoch, reason: 'suspended' })
  })

  test('goes on where the main thread ended the work before the machine could say so', () => {
    const play = leader().pass(retryMs)
    const { epoch } = play.status
    const answer = answerOf(play.land())
    // The machine gets no CPU: when it goes on, the answer to its renewal and the end of the work wait for it.
    play.now = { monotonicMs: play.now.monotonicMs + deadlineMs - 100, wallMs: play.now.wallMs + deadlineMs - 100 }
    play.answer(answer)
    play.took()
    play.give({ type: 'work-ended', epoch: epoch ?? 0n, reason: 'suspended' })
    const effects = play.takeEffects()
    expect(effects).toContainEqual({ type: 'ended', epoch, reason: 'suspended' })
    expect(effects).toContainEqual(expect.objectContaining({ type: 'begin', resumed: true }))
    expect(play.serve().status).toMatchObject({ role: 'leading', epoch })
  })

  test('competes again where another followed while the main thread alone could end the work', () => {
    const play = leader()
    const epoch = play.status.epoch ?? 0n
    play.now = { monotonicMs: play.now.monotonicMs + 2 * leaseMs, wallMs: play.now.wallMs + 2 * leaseMs }
    play.api.edit({ spec: { holderIdentity: other, acquireTime: renewTime(), renewTime: renewTime() } })
    play.give({ type: 'work-ended', epoch, reason: 'suspended' }).serve().watch()
    expect(play.took()).not.toEqual(expect.arrayContaining(['kill']))
    expect(play.status).toMatchObject({ role: 'standby', holder: other })
    play.api.edit({ spec: { holderIdentity: '' }, annotations: { [leaseAnnotations.releasedBy]: other } })
    play.watch().serve()
    expect(play.status.role).toBe('leading')
    expect(play.status.epoch).toBeGreaterThan(epoch)
  })

  test('hands over where the main thread ended the work of one that drains', () => {
    const play = leader().give({ type: 'stop' })
    play.give({ type: 'work-ended', epoch: play.status.epoch ?? 0n, reason: 'suspended' }).serve()
    expect(play.lease.holder).toBe('')
    expect(play.status.role).toBe('stopped')
  })

  test('may not act again before a renewal, although the next one has begun', () => {
    const play = endWork(suspended())
    play.took()
    play.pass(2000)
    expect(play.pending).toBe('renew')
    expect(play.took()).not.toContain('allow')
  })
})

describe('a leader whose main thread hangs', () => {
  test('is not renewed, and is killed in the end', () => {
    const play = leader().give({ type: 'stalled', value: true })
    play.live(deadlineMs - 100)
    expect(play.took()).toEqual([])
    play.live(abortMs + 200)
    expect(play.took()).toEqual(expect.arrayContaining(['end', 'kill']))
  })

  test('is renewed again when it answers in time', () => {
    const play = leader().give({ type: 'stalled', value: true })
    play.live(3000).give({ type: 'stalled', value: false }).serve()
    expect(play.status.role).toBe('leading')
    expect(play.state.hold?.acknowledgedAt).toEqual(play.now)
  })
})

describe('a replica that is told that another leads', () => {
  test('renews at once where it holds the Lease: the answer is as fresh as the question', () => {
    const play = leader().live(retryMs)
    play.serve()
    expect(play.pending).toBe('none')
    play.give({ type: 'verify' })
    expect(play.pending).toBe('renew')
    play.serve()
    expect(play.state.hold?.acknowledgedAt).toEqual(play.now)
  })

  test('asks nobody where it does not', () => {
    const play = standby()
    expect(play.give({ type: 'verify' }).pending).toBe('none')
  })
})
