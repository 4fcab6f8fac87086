import { expect, test } from '@jest/globals'
import { logElection } from '../../src/logging/election-log.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { ScriptedElection } from '../support/scripted-election.ts'

test('a watch that restarts again and again is told once a minute, and at once for another reason', () => {
  const election = new ScriptedElection()
  const { log, lines } = recordedLog('info')
  let now = 0
  logElection(election, log, () => now)
  // An outage of ten minutes, with a restart of both watches every second.
  for (; now < 600_000; now += 1000) {
    election.emit('watchRestarted', 'lease', 'error')
    election.emit('watchRestarted', 'pods', 'error')
  }
  expect(lines()).toHaveLength(20)
  election.emit('watchRestarted', 'lease', 'gone')
  expect(lines().at(-1)).toMatchObject({ event: 'watch-restarted', watch: 'lease', reason: 'gone' })
  expect(lines()).toHaveLength(21)
})

test('a watch that restarts says why, in words', () => {
  const election = new ScriptedElection()
  const { log, lines } = recordedLog('info')
  logElection(election, log)
  election.emit('watchRestarted', 'lease', 'error', 'self-signed certificate')
  expect(lines()).toMatchObject([
    { event: 'watch-restarted', watch: 'lease', reason: 'error', why: 'self-signed certificate' },
  ])
})

test('a role is told when it changes, an obstacle when it comes and when it goes', () => {
  const election = new ScriptedElection()
  const { log, lines } = recordedLog('info')
  logElection(election, log)
  const obstacle = 'the API server refuses `update` of the Lease; grant it in the Role regent-agent-local'
  election.become({})
  election.become({ holder: 'another' })
  election.become({ obstacle })
  election.become({ obstacle, cordoned: true })
  election.emit('status', { role: 'standby', synced: true, prepared: true, cordoned: false })
  expect(lines().map(({ event, message }) => [event, message])).toEqual([
    ['role-changed', undefined],
    ['obstacle', obstacle],
    ['cordoned', undefined],
    ['uncordoned', undefined],
    ['obstacle-gone', undefined],
  ])
})
