import { describe, expect, test } from '@jest/globals'
import { Worker } from 'node:worker_threads'
import { elapsedMs, monotonicElapsedMs, systemClock } from '../../src/election/clock.ts'

const at = (monotonicMs: number, wallMs: number): { monotonicMs: number; wallMs: number } => ({ monotonicMs, wallMs })

describe('elapsed time', () => {
  test('is what the clock says that went further', () => {
    expect(elapsedMs(at(100, 5000), at(350, 5100))).toBe(250)
    // The machine was suspended: the monotonic clock stood still.
    expect(elapsedMs(at(100, 5000), at(101, 65_000))).toBe(60_000)
  })

  test('does not shrink when somebody sets the wall clock back', () => {
    expect(elapsedMs(at(100, 5000), at(350, 1000))).toBe(250)
  })

  test('of the monotonic clock knows nothing of the wall clock', () => {
    expect(monotonicElapsedMs(at(100, 5000), at(350, 999_999))).toBe(250)
  })
})

describe('the clock of the system', () => {
  test('has one origin in every thread', async () => {
    const clock = new URL('../../src/election/clock.ts', import.meta.url).href
    const program = `import('${clock}').then(({ systemClock }) => require('node:worker_threads').parentPort.postMessage(systemClock.now()))`
    const before = systemClock.now()
    const worker = new Worker(program, { eval: true })
    const there = await new Promise<unknown>((resolve, reject) => worker.on('message', resolve).on('error', reject))
    const after = systemClock.now()
    const { monotonicMs } = there as { monotonicMs: number }
    expect(monotonicMs).toBeGreaterThan(before.monotonicMs)
    expect(monotonicMs).toBeLessThan(after.monotonicMs)
  })
})
