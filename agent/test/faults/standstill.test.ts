import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { Standstill } from './standstill.ts'

function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

test('a standstill is counted in full, also one that has not ended', async () => {
  const standstill = new Standstill()
  block(150)
  await nextTurn()
  block(150)
  expect(standstill.stop()).toBeGreaterThanOrEqual(300)
})
