import { describe, expect, test } from '@jest/globals'
import type { Instant } from '../../src/election/clock.ts'
import { NotLeading } from '../../src/election/leadership.ts'
import { LeaseReign } from '../../src/election/lease-reign.ts'
import { SharedDeadline } from '../../src/election/shared-deadline.ts'

const reign = {
  epoch: 10n,
  reason: 'first',
  since: Date.UTC(2026, 0, 2),
  phases: { detected: 1, acquired: 2 },
} as const

class Stage {
  readonly deadline = new SharedDeadline()
  now: Instant = { monotonicMs: 1000, wallMs: 5000 }

  reign(ticket: number, epoch: bigint = reign.epoch): LeaseReign {
    const clock = { now: () => this.now }
    return new LeaseReign({
      reign: { ...reign, epoch },
      lineage: 'cluster-1',
      holder: 'pod_uid_boot',
      ticket,
      deadline: this.deadline,
      clock,
    })
  }

  allow(ticket: number, ms: number): void {
    this.deadline.extend({ monotonicMs: this.now.monotonicMs + ms, wallMs: this.now.wallMs + ms })
    this.deadline.grant(ticket)
  }
}

describe('a reign', () => {
  test('says what it is', () => {
    expect(new Stage().reign(1)).toMatchObject({
      epoch: 10n,
      lineage: 'cluster-1',
      holder: 'pod_uid_boot',
      reason: 'first',
      since: new Date(reign.since),
      phases: reign.phases,
    })
  })

  test('may act while it was granted', () => {
    const stage = new Stage()
    const leadership = stage.reign(1)
    stage.allow(1, 100)
    expect(() => leadership.assert()).not.toThrow()
  })

  test('may not act past its deadline, although nobody has told it to end', () => {
    const stage = new Stage()
    const leadership = stage.reign(1)
    stage.allow(1, 100)
    stage.now = { monotonicMs: 1100, wallMs: 5050 }
    expect(leadership.signal.aborted).toBe(false)
    expect(() => leadership.assert()).toThrow(NotLeading)
    expect(() => leadership.assert()).toThrow('epoch 10 cannot be proven to last')
    stage.now = { monotonicMs: 1050, wallMs: 5100 }
    expect(() => leadership.assert()).toThrow(NotLeading)
  })

  test('may not act when it was forbidden, although nobody has told it to end', () => {
    const stage = new Stage()
    const leadership = stage.reign(1)
    stage.allow(1, 100)
    stage.deadline.forbid()
    expect(() => leadership.assert()).toThrow(NotLeading)
  })

  test('may not act by the grant of the one after it, nor of itself after a suspension', () => {
    const stage = new Stage()
    const before = stage.reign(1)
    stage.allow(1, 100)
    stage.deadline.forbid()
    stage.allow(2, 100)
    expect(() => before.assert()).toThrow(NotLeading)
    expect(() => stage.reign(2, 12n).assert()).not.toThrow()
  })

  test('may not act when it was told to end, and says why', () => {
    const stage = new Stage()
    const leadership = stage.reign(1)
    stage.allow(1, 100)
    leadership.end('lost')
    expect(leadership.signal).toMatchObject({ aborted: true, reason: 'lost' })
    expect(() => leadership.assert()).toThrow('the reign with epoch 10 is over: lost')
  })

  test('is overdue since its time ran out, by the clock that says more, or since it was told to end', () => {
    const stage = new Stage()
    const [over, lost] = [stage.reign(1), stage.reign(1)]
    stage.allow(1, 100)
    stage.now = { monotonicMs: 1050, wallMs: 5050 }
    lost.end('lost')
    expect([over.overdueMs, lost.overdueMs]).toEqual([0, 0])
    stage.now = { monotonicMs: 1120, wallMs: 5130 }
    expect([over.overdueMs, lost.overdueMs]).toEqual([30, 80])
    stage.deadline.forbid()
    expect([over.overdueMs, lost.overdueMs]).toEqual([0, 80])
    expect([over.endReason, lost.endReason]).toEqual([undefined, 'lost'])
  })

  test('keeps the reason for which it ended first', () => {
    const leadership = new Stage().reign(1)
    leadership.end('suspended')
    leadership.end('lost')
    expect(leadership.endReason).toBe('suspended')
    expect(leadership.signal.reason).toBe('suspended')
  })

  test('still acts while it drains', () => {
    const stage = new Stage()
    const leadership = stage.reign(1)
    stage.allow(1, 100)
    leadership.drain()
    expect(leadership.draining.aborted).toBe(true)
    expect(leadership.signal.aborted).toBe(false)
    expect(() => leadership.assert()).not.toThrow()
  })
})
