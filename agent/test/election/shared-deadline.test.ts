import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import type { Instant } from '../../src/election/clock.ts'
import { SharedDeadline } from '../../src/election/shared-deadline.ts'

const wallMs = 1_700_000_000_000
const at = (ms: number, wallStepMs = 0): Instant => ({ monotonicMs: ms, wallMs: wallMs + ms + wallStepMs })

function granted(ticket: number, untilMs: number): SharedDeadline {
  const deadline = new SharedDeadline()
  deadline.extend(at(untilMs))
  deadline.grant(ticket)
  return deadline
}

describe('a deadline', () => {
  test('lets nobody act before it was granted', () => {
    expect(new SharedDeadline().mayAct(1, at(0))).toBe(false)
    expect(new SharedDeadline().mayAct(0, at(-1))).toBe(false)
    expect(new SharedDeadline().remainingMs(at(0))).toBe(0)
  })

  test("lets nobody's ticket act, also when it was extended before anybody was granted it or after it was forbidden", () => {
    const deadline = new SharedDeadline()
    deadline.extend(at(100))
    expect(deadline.mayAct(0, at(0))).toBe(false)
    deadline.grant(1)
    deadline.forbid()
    deadline.extend(at(100))
    expect(deadline.mayAct(0, at(0))).toBe(false)
  })

  test('lets its ticket act until then, and not at that moment', () => {
    const deadline = granted(1, 100)
    expect(deadline.mayAct(1, at(99.999))).toBe(true)
    expect(deadline.mayAct(1, at(100))).toBe(false)
  })

  test('lets no ticket act but its own: neither the one before nor the one after', () => {
    const deadline = granted(2, 100)
    expect(deadline.mayAct(1, at(0))).toBe(false)
    expect(deadline.mayAct(3, at(0))).toBe(false)
    expect(deadline.mayAct(2, at(0))).toBe(true)
  })

  test('is over by either clock', () => {
    const deadline = granted(1, 100)
    expect(deadline.mayAct(1, at(50, 50))).toBe(false)
    expect(deadline.mayAct(1, at(50, -3_600_000))).toBe(true)
    expect(deadline.mayAct(1, at(100, -3_600_000))).toBe(false)
  })

  test('can be extended, and then still belongs to its ticket', () => {
    const deadline = granted(1, 100)
    deadline.extend(at(200))
    expect(deadline.mayAct(1, at(150))).toBe(true)
    expect(deadline.mayAct(2, at(150))).toBe(false)
  })

  test('that was forbidden is no deadline, and extending it alone gives nothing back', () => {
    const deadline = granted(1, 100)
    deadline.forbid()
    expect(deadline.mayAct(1, at(0))).toBe(false)
    expect(deadline.remainingMs(at(0))).toBe(0)
    deadline.extend(at(200))
    expect(deadline.mayAct(1, at(0))).toBe(false)
    expect(deadline.remainingMs(at(0))).toBe(0)
  })

  test('never lasts longer than was granted, whatever the fraction', () => {
    const ms = fc.double({ min: 0, max: 1e9, noNaN: true })
    fc.assert(
      fc.property(ms, ms, (untilMs, nowMs) => {
        const deadline = granted(1, untilMs)
        if (nowMs >= untilMs) expect(deadline.mayAct(1, at(nowMs))).toBe(false)
        expect(deadline.remainingMs(at(nowMs))).toBeLessThanOrEqual(Math.max(0, untilMs - nowMs))
        if (nowMs < untilMs - 0.01) expect(deadline.mayAct(1, at(nowMs))).toBe(true)
      }),
    )
  })

  test('remains as long as the shorter of both clocks says', () => {
    const deadline = granted(1, 100)
    expect(deadline.remainingMs(at(40))).toBe(60)
    expect(deadline.remainingMs(at(40, 20))).toBe(40)
    expect(deadline.remainingMs(at(140))).toBe(0)
  })
})

describe('signs of life', () => {
  test('are of each thread by itself', () => {
    const deadline = new SharedDeadline()
    deadline.beat('main', at(100))
    deadline.beat('elector', at(160))
    expect(deadline.silentMs('main', at(200))).toBe(100)
    expect(deadline.silentMs('elector', at(200))).toBe(40)
    expect(deadline.silentMs('main', at(50))).toBe(0)
  })
})

describe('between two threads', () => {
  let worker: Worker | undefined
  afterEach(() => worker?.terminate())

  test('what one writes the other reads, although it does nothing but look', async () => {
    const deadline = granted(1, 1000)
    const module = new URL('../../src/election/shared-deadline.ts', import.meta.url).href
    // It never returns to its event loop between the two: no message could tell it.
    const code = `
      import { parentPort, workerData } from 'node:worker_threads'
      import { SharedDeadline } from ${JSON.stringify(module)}
      const deadline = new SharedDeadline(workerData)
      const now = { monotonicMs: 500, wallMs: ${wallMs + 500} }
      parentPort.postMessage(deadline.mayAct(1, now))
      const giveUpAt = Date.now() + 20_000
      while (deadline.mayAct(1, now) && Date.now() < giveUpAt);
      deadline.beat('elector', { monotonicMs: 7, wallMs: 0 })
      parentPort.postMessage(deadline.mayAct(1, now))
    `
    const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
    worker = new Worker(url, { workerData: deadline.buffer })
    const [before] = (await once(worker, 'message')) as [boolean]
    expect(before).toBe(true)
    const after = once(worker, 'message')
    deadline.forbid()
    expect(await after).toEqual([false])
    expect(deadline.silentMs('elector', at(10))).toBe(3)
  })
})
