import { describe, expect, test } from '@jest/globals'
import type { Instant } from '../../src/election/clock.ts'
import { LeaseReign } from '../../src/election/lease-reign.ts'
import { ReignWatchdog } from '../../src/election/reign-watchdog.ts'
import { SharedDeadline } from '../../src/election/shared-deadline.ts'

const deadlineMs = 4000
const abortMs = 1000

/** A reign that was just renewed, and a main thread that looks after it every 100 ms. */
class Stage {
  readonly deadline = new SharedDeadline()
  readonly kills: string[] = []
  readonly told: bigint[] = []
  readonly reign: LeaseReign
  now: Instant = { monotonicMs: 1000, wallMs: 5000 }
  electorLives = false
  readonly #watchdog: ReignWatchdog

  constructor() {
    const { deadline } = this
    const clock = { now: () => this.now }
    const reign = { epoch: 10n, reason: 'first', since: 0, phases: { detected: 0, acquired: 0 } } as const
    this.reign = new LeaseReign({ reign, lineage: 'cluster-1', holder: 'pod_uid_boot', ticket: 1, deadline, clock })
    this.#watchdog = new ReignWatchdog({
      deadline,
      clock,
      abortBudgetSeconds: abortMs / 1000,
      kill: (why) => this.kills.push(why),
      onEnded: (epoch) => this.told.push(epoch),
    })
    deadline.extend({ monotonicMs: this.now.monotonicMs + deadlineMs, wallMs: this.now.wallMs + deadlineMs })
    deadline.grant(1)
    deadline.beat('elector', this.now)
  }

  pass(ms: number): void {
    for (let passedMs = 0; passedMs < ms; passedMs += 100) {
      this.now = { monotonicMs: this.now.monotonicMs + 100, wallMs: this.now.wallMs + 100 }
      if (this.electorLives) this.deadline.beat('elector', this.now)
      this.#watchdog.look(this.reign)
    }
  }
}

describe('while the elector is silent, the main thread', () => {
  test('lets a reign last until its time is over, and ends it then', () => {
    const stage = new Stage()
    stage.pass(deadlineMs - 100)
    expect(stage.reign.signal.aborted).toBe(false)
    stage.pass(100)
    expect(stage.reign.signal).toMatchObject({ aborted: true, reason: 'suspended' })
    expect(stage.told).toEqual([10n])
  })

  test('kills the process when the work still runs one abort budget later, not before', () => {
    const stage = new Stage()
    stage.pass(deadlineMs + abortMs - 100)
    expect(stage.kills).toEqual([])
    stage.pass(100)
    expect(stage.kills).toEqual(['the work of epoch 10 did not end within its abort budget'])
  })

  test('ends a reign by the wall clock as well, although the monotonic one stood still', () => {
    const stage = new Stage()
    stage.now = { ...stage.now, wallMs: stage.now.wallMs + deadlineMs }
    stage.pass(100)
    expect(stage.reign.signal.aborted).toBe(true)
  })

  test('ends a reign that was forbidden by one who got no further, and kills where that does not help', () => {
    const stage = new Stage()
    stage.deadline.forbid()
    stage.pass(500)
    expect(stage.reign.signal.aborted).toBe(false)
    stage.pass(100)
    expect(stage.reign.signal.aborted).toBe(true)
    stage.pass(abortMs - 100)
    expect(stage.kills).toEqual([])
    stage.pass(100)
    expect(stage.kills).toHaveLength(1)
  })

  test('kills where the elector told the work to end and then fell silent', () => {
    const stage = new Stage()
    stage.deadline.forbid()
    stage.reign.end('lost')
    stage.pass(abortMs)
    expect(stage.kills).toHaveLength(1)
    expect(stage.told).toEqual([])
  })
})

describe('while the elector lives, the main thread', () => {
  test('leaves a reign that was forbidden to it: it says why', () => {
    const stage = new Stage()
    stage.electorLives = true
    stage.deadline.forbid()
    stage.pass(abortMs)
    expect(stage.reign.signal.aborted).toBe(false)
  })

  test('ends a reign whose time is over, says nothing of it, and kills nobody', () => {
    const stage = new Stage()
    stage.electorLives = true
    stage.pass(deadlineMs + 2 * abortMs)
    expect(stage.reign.signal.reason).toBe('suspended')
    expect([stage.told, stage.kills]).toEqual([[], []])
  })
})
