import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import {
  abortMs,
  answerOf,
  drainMs,
  endWork,
  leader,
  leaseMs,
  me,
  other,
  Play,
  renewTime,
  retryMs,
  standby,
} from './machine-play.ts'
import { Pair } from './machine-pair.ts'

const { cordoned, reason, releasedBy, stepDown } = leaseAnnotations

/** A leader that a person has told to hand over. */
function steppingDown(): Play {
  const play = leader()
  play.api.edit({ annotations: { [stepDown]: me } })
  play.watch()
  return play
}

/** The Lease goes to another, which gives it back at once. */
function ledByOther(play: Play): Play {
  play.api.edit({ spec: { holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() } })
  play.api.edit({ spec: { holderIdentity: '', renewTime: renewTime() }, annotations: { [releasedBy]: other } })
  return play.watch()
}

/** How long a replica leaves a Lease alone that is free, in milliseconds. */
function asideMs(play: Play): number {
  for (let passedMs = 0; passedMs <= 700_000; passedMs += 100) {
    if (play.serve().status.role !== 'standby') return passedMs
    play.pass(100)
  }
  throw new Error('it stands aside for ever')
}

describe('a leader that is told to step down', () => {
  test('drains while it renews, gives the Lease back when no work runs, and stands aside for five seconds', () => {
    const play = steppingDown()
    expect(play.took()).toEqual(['drain'])
    expect(play.status.role).toBe('draining')
    play.live(10_000)
    expect(play.lease.holder).toBe(me)
    endWork(play).serve().watch()
    expect(play.lease).toMatchObject({ holder: '', durationMs: 1000 })
    expect(play.lease.annotations).toMatchObject({ [releasedBy]: me, [reason]: 'step-down' })
    expect(play.lease.annotations).not.toHaveProperty([stepDown])
    expect(play.status.role).toBe('standby')
    expect(asideMs(play)).toBe(5000)
  })

  test('is told so by its own identity: another incarnation is not meant', () => {
    const play = leader()
    play.api.edit({ annotations: { [stepDown]: 'pod-a_uid-a_boot-0' } })
    play.watch().live(5000)
    expect(play.status.role).toBe('leading')
  })

  test('ends its work when the drain budget is over, and is killed when that does not end', () => {
    const play = steppingDown()
    play.live(drainMs)
    expect(play.takeEffects()).toContainEqual(expect.objectContaining({ type: 'end', reason: 'drained' }))
    expect(play.lease.holder).toBe(me)
    play.live(abortMs)
    expect(play.took()).toContain('kill')
    expect(play.lease.holder).toBe(me)
  })

  test('gives the Lease back only once its work has ended', () => {
    const play = steppingDown()
    play.live(drainMs + abortMs / 2)
    expect(play.lease.holder).toBe(me)
    endWork(play).serve()
    expect(play.lease.holder).toBe('')
  })
})

describe('a standby that stands aside', () => {
  test('counts as ready no more, until it would take the Lease again: it asks to be woken then', () => {
    const play = endWork(steppingDown()).serve()
    expect(play.isReady).toBe(false)
    play.api.edit({ spec: { holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() } })
    play.watch().live(4990)
    expect(play.isReady).toBe(false)
    expect(play.wakesAtMs).toBe(play.state.aside.untilMs)
    play.pass(10)
    expect(play.isReady).toBe(true)
  })

  test('is nobody to hand over to: of two replicas one leads all the time', () => {
    const pair = new Pair()
    pair.stepDown().live(1000)
    expect(pair.leader).toBe(pair.two)
    expect(pair.canHandOver).toBe(false)
    pair.live(4100)
    expect(pair.canHandOver).toBe(true)
    pair.stepDown().live(1000)
    expect(pair.leader).toBe(pair.one)
    expect(pair.longestVacancyMs).toBeLessThan(100)
  })

  test('is nobody to yield to, until it has stood aside for long enough', () => {
    const pair = new Pair()
    for (let passedMs = 0; passedMs < 29_000; passedMs += 1000) {
      // Neither can register.
      pair.leader?.give({ type: 'yield' })
      pair.live(1000)
      expect(pair.leader).toBe(pair.two)
    }
    pair.live(1500).leader?.give({ type: 'yield' })
    pair.live(1000)
    expect(pair.leader).toBe(pair.one)
    expect(pair.longestVacancyMs).toBeLessThan(100)
  })

  test('keeps nobody from leading where the other one has to stop', () => {
    const pair = new Pair()
    pair.leader?.give({ type: 'yield' })
    pair.live(1000).leader?.give({ type: 'stop' })
    pair.live(leaseMs + 100)
    expect(pair.leader).toBe(pair.one)
  })
})

describe('two replicas that both stand aside', () => {
  test.each([
    ['were told to step down, one soon after the other', (pair: Pair): void => void pair.stepDown(), 5000],
    [
      'failed, one soon after the other',
      ({ leader }: Pair) => {
        if (leader) endWork(leader).serve()
      },
      1000,
    ],
  ] as const)('lead again soon where they %s', (_, give, mostMs) => {
    const pair = new Pair()
    give(pair)
    pair.live(500)
    expect(pair.leader).toBe(pair.two)
    give(pair)
    pair.live(mostMs + 100)
    expect(pair.leader).toBeDefined()
    expect(pair.longestVacancyMs).toBeLessThanOrEqual(mostMs + 100)
  })
})

describe('a standby whose main thread hangs', () => {
  test('is not ready, and gets the Lease by no cordon while that lasts', () => {
    const pair = new Pair()
    pair.two.give({ type: 'stalled', value: true })
    expect(pair.two.isReady).toBe(false)
    pair.live(100)
    pair.one.api.edit({ annotations: { [cordoned]: 'pod-a' } })
    pair.live(10_000)
    expect(pair.leader).toBe(pair.one)
    pair.two.give({ type: 'stalled', value: false })
    pair.live(100)
    expect(pair.leader).toBe(pair.two)
    expect(pair.longestVacancyMs).toBeLessThan(100)
  })
})

describe('a release', () => {
  test('that meets another version looks again, and is repeated', () => {
    const play = endWork(steppingDown())
    play.api.edit({ annotations: { 'somebody.example/else': 'a note' } })
    play.answer(answerOf(play.land()))
    expect(play.pending).toBe('read')
    play.serve()
    expect(play.lease.holder).toBe('')
    expect(play.status.role).toBe('standby')
  })

  test('whose answer is lost is known by the watch', () => {
    const play = endWork(steppingDown())
    play.land()
    play.watch()
    expect(play.status.role).toBe('standby')
    expect(play.lease.holder).toBe('')
    play.fail().live(3000)
    expect(play.status.role).toBe('standby')
  })

  test('whose answer is lost, and that no watch tells, is repeated and known by the refusal', () => {
    const play = endWork(steppingDown())
    play.land()
    play.forgetEvents().pass(1000).fail().pass(200)
    expect(play.pending).toBe('release')
    play.serve()
    expect(play.status.role).toBe('standby')
  })

  test('stands aside as promised although the next holder was seen first', () => {
    const play = endWork(steppingDown())
    play.land()
    play.forgetEvents()
    play.api.edit({ spec: { holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() } })
    play.watch()
    expect(play.status.role).toBe('standby')
    expect(play.state.aside.untilMs).toBe(play.now.monotonicMs + 5000)
  })

  test('says where the next takeover came from, and is taken at once', () => {
    const play = standby()
    play.pass(1000)
    play.api.edit({
      spec: { holderIdentity: '', renewTime: renewTime() },
      annotations: { [releasedBy]: other, [reason]: 'cordoned', [stepDown]: other },
    })
    play.watch()
    expect(play.pending).toBe('take')
    play.serve()
    expect(play.state.takeovers[0]).toMatchObject({ from: other, reason: 'cordoned', phases: { detected: 0 } })
    expect(play.lease.annotations).not.toHaveProperty([releasedBy])
    expect(play.lease.annotations).not.toHaveProperty([stepDown])
  })

  test('leaves the newest revision 300 ms, and then looks whether that was enough', () => {
    const play = standby().give({ type: 'revision', isNewest: false })
    play.api.edit({ spec: { holderIdentity: '', renewTime: renewTime() }, annotations: { [releasedBy]: other } })
    play.watch().pass(299)
    expect(play.pending).toBe('none')
    play.pass(1)
    expect(play.pending).toBe('read')
    play.serve()
    expect(play.status).toMatchObject({ role: 'leading', holder: me })
  })

  test('takes nothing that the newest revision has taken while it looked', () => {
    const play = standby().give({ type: 'revision', isNewest: false })
    play.api.edit({ spec: { holderIdentity: '', renewTime: renewTime() }, annotations: { [releasedBy]: other } })
    play.watch().pass(300)
    expect(play.pending).toBe('read')
    play.api.edit({ spec: { holderIdentity: 'pod-n_uid-n_boot-n', renewTime: renewTime() } })
    play.serve()
    expect(play.status).toMatchObject({ role: 'standby', holder: 'pod-n_uid-n_boot-n' })
  })
})

describe('a cordoned replica', () => {
  const cordon = (play: Play, names: string): Play => {
    play.api.edit({ annotations: { [cordoned]: names } })
    return play.watch()
  }

  test('hands over to a standby that is ready', () => {
    const play = cordon(leader(), 'pod-x, pod-a')
    expect(play.status).toMatchObject({ role: 'draining', cordoned: true })
    endWork(play).serve().watch()
    expect(play.lease.annotations).toMatchObject({ [reason]: 'cordoned', [cordoned]: 'pod-x, pod-a' })
    play.live(30_000)
    expect(play.status.role).toBe('standby')
  })

  test('leads on until a standby is ready', () => {
    const play = leader().give({ type: 'standbys', standbys: [{ pod: 'pod-b', ready: false }] })
    cordon(play, 'pod-a').live(10_000)
    expect(play.status.role).toBe('leading')
    play.give({ type: 'standbys', standbys: [{ pod: 'pod-b', ready: true }] })
    expect(play.status.role).toBe('draining')
  })

  test('takes no Lease, is not ready, and does both again when it is named no more', () => {
    const play = cordon(standby(), 'pod-a').live(leaseMs + 5000)
    expect(play.lease.holder).toBe(other)
    expect(play.isReady).toBe(false)
    cordon(play, 'pod-aa').serve()
    expect(play.status).toMatchObject({ role: 'leading', cordoned: false })
  })
})

describe('a leader that yields', () => {
  test.each([
    ['none is ready', { ready: false, reaches: true }],
    ['the ready one does not reach the control plane either', { ready: true, reaches: false }],
    ['the ready one is of a version that does not say whether it does', { ready: true }],
  ])('does not where %s', (_, standby) => {
    const play = leader().give({ type: 'standbys', standbys: [{ pod: 'pod-b', ...standby }] })
    play.give({ type: 'yield' })
    expect(play.status.role).toBe('leading')
  })

  test('stands aside for 30 s, each time for twice as long, up to 10 min', () => {
    const play = leader()
    const seconds: number[] = []
    for (let count = 0; count < 7; count += 1) {
      endWork(play.give({ type: 'yield' }))
        .serve()
        .watch()
      seconds.push((play.state.aside.untilMs - play.now.monotonicMs) / 1000)
      play.state = { ...play.state, aside: { ...play.state.aside, untilMs: 0 } }
      ledByOther(play).live(1000)
      expect(play.status.role).toBe('leading')
    }
    expect(seconds).toEqual([30, 60, 120, 240, 480, 600, 600])
  })

  test('begins anew after it led for a minute', () => {
    const play = leader()
    endWork(play.give({ type: 'yield' }))
      .serve()
      .watch()
    play.state = { ...play.state, aside: { ...play.state.aside, untilMs: 0 } }
    play.give({ type: 'tick' }).serve().watch().live(60_000)
    endWork(play.give({ type: 'yield' })).serve()
    expect(play.state.aside.seconds).toBe(30)
  })

  test('leaves a free Lease to others, but only for one lease duration: better this one than none', () => {
    const play = leader()
    endWork(play.give({ type: 'yield' }))
      .serve()
      .watch()
    expect(asideMs(play)).toBe(leaseMs)
  })

  test('leaves an expired Lease to others for one lease duration more', () => {
    const play = leader()
    endWork(play.give({ type: 'yield' }))
      .serve()
      .watch()
    play.api.edit({ spec: { holderIdentity: other, renewTime: renewTime(), acquireTime: renewTime() } })
    play.watch().live(2 * leaseMs - 100)
    expect(play.status.role).toBe('standby')
    play.live(300)
    expect(play.status.role).toBe('leading')
  })
})

describe('work that ends by itself', () => {
  test('gives the Lease back, and stands aside for others', () => {
    const play = leader()
    play.give({ type: 'work-failed', epoch: play.status.epoch ?? 0n })
    expect(play.took()).toEqual(['drain'])
    endWork(play).serve()
    expect(play.lease.annotations).toMatchObject({ [reason]: 'work-failed', [releasedBy]: me })
    expect(play.state.aside).toMatchObject({ seconds: 30, forOthers: true })
  })

  test('all at once does the same', () => {
    const play = endWork(leader()).serve()
    expect(play.lease.annotations).toMatchObject({ [reason]: 'work-failed', [releasedBy]: me })
    expect(play.took()).toContain('forbid')
  })

  test('is tried again after a second where nobody else is ready, and more and more rarely', () => {
    const play = new Play().give({ type: 'prepared', value: true }).serve().watch()
    const waitedMs: number[] = []
    for (let count = 0; count < 7; count += 1) {
      endWork(play).serve().watch()
      waitedMs.push(asideMs(play))
    }
    expect(waitedMs).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  test('of another epoch is none of this leader', () => {
    const play = leader().give({ type: 'work-ended', epoch: 1n }).give({ type: 'work-failed', epoch: 1n })
    play.live(retryMs)
    expect(play.status.role).toBe('leading')
  })
})
