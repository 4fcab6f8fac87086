import { expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { handOver } from '../../src/lifecycle/hand-over.ts'
import { ScriptedElection } from '../support/scripted-election.ts'

function handingOver() {
  const election = new ScriptedElection()
  election.start()
  const log = recordedLog()
  let closes = 0
  const close = () => {
    closes += 1
    return Promise.resolve()
  }
  return { election, log, over: handOver(election, close, log.log), closes: () => closes }
}

test('nothing is closed before the work is over', async () => {
  const { election, over, closes, log } = handingOver()
  await new Promise(setImmediate)
  expect([election.stops, closes()]).toEqual([1, 0])
  election.stopping.resolve(true)
  expect([await over, closes(), log.events()]).toEqual([true, 1, []])
})

test('work that is not provably over is said, and nothing is closed', async () => {
  const { election, over, closes, log } = handingOver()
  election.stopping.resolve(false)
  expect([await over, closes()]).toEqual([false, 0])
  expect(log.lines()).toEqual([
    expect.objectContaining({
      level: 'error',
      event: 'stopped-with-work',
      message: expect.stringContaining('the Lease was not given back') as unknown,
    }),
  ])
})
