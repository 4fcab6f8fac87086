import { describe, expect, test } from '@jest/globals'
import type { AgentRecord, StatusRecord } from '../../src/agents/agent-records.ts'
import { type Counted, Tally } from '../../src/census/tally.ts'

const at = (time: string): string => `2026-03-01T${time}.000Z`
const now = at('12:00:00')

const approved: AgentRecord = { approval: 'approved', decidedAt: at('08:00:00'), registeredAt: at('07:00:00') }
const offline = (since: string): StatusRecord => ({ health: 'offline', since: at(since) })
const online: StatusRecord = { health: 'online', since: at('09:00:00') }
const led: Counted = { agent: approved, status: online, isConnected: true }

function tallied(...agents: readonly Counted[]) {
  const tally = new Tally(Date.parse(now))
  for (const agent of agents) tally.add(agent)
  return tally.result
}

test('agents are counted by their approval', () => {
  const of = (approval: AgentRecord['approval']): Counted => ({ ...led, agent: { ...approved, approval } })
  const { agents } = tallied(of('pending'), of('approved'), of('rejected'), of('approved'))
  expect(agents).toEqual({ pending: 1, approved: 2, rejected: 1 })
})

test('where there are no agents there is nothing to tell', () => {
  expect(tallied()).toEqual({
    agents: { pending: 0, approved: 0, rejected: 0 },
    leaderless: { count: 0 },
    fenceConflicts: 0,
  })
})

describe('an agent has no leader', () => {
  const leaderless = (...agents: readonly Counted[]) => tallied(...agents).leaderless

  test('if it is approved and connected nowhere, whatever was said of it last', () => {
    const ledOtherwise = (['draining', 'suspended', 'stale'] as const).map((health) => ({
      ...led,
      status: { ...online, health },
    }))
    expect(leaderless(led, ...ledOtherwise)).toEqual({ count: 0 })
    const gone = [led, ...ledOtherwise].map((each) => ({ ...each, isConnected: false }))
    expect(leaderless(led, ...gone)).toMatchObject({ count: 4 })
  })

  test('not if nobody approved it, or somebody rejected it', () => {
    for (const approval of ['pending', 'rejected'] as const) {
      const agent = { ...approved, approval }
      expect(leaderless({ agent, status: offline('09:00:00'), isConnected: false })).toEqual({ count: 0 })
    }
  })

  test('since it is offline, and of several the one that has had none for longest counts', () => {
    const since = ['11:00:00', '10:00:00', '11:30:00'].map((time) => ({
      ...led,
      status: offline(time),
      isConnected: false,
    }))
    expect(leaderless(led, ...since)).toEqual({ count: 3, since: at('10:00:00') })
  })

  test('since it was approved, where it never connected or was offline before', () => {
    expect(leaderless({ agent: approved, isConnected: false })).toEqual({ count: 1, since: at('08:00:00') })
    const before = { agent: approved, status: offline('07:30:00'), isConnected: false }
    expect(leaderless(before)).toEqual({ count: 1, since: at('08:00:00') })
    const older: AgentRecord = { approval: 'approved', registeredAt: at('07:00:00') }
    expect(leaderless({ agent: older, isConnected: false })).toEqual({ count: 1, since: at('07:00:00') })
  })

  test('since now, where its pod has died and nobody has said yet since when', () => {
    expect(leaderless({ ...led, isConnected: false })).toEqual({ count: 1, since: now })
  })
})

test('fence conflicts are counted, also of agents whose former leader is connected, and not of rejected ones', () => {
  const fenceConflict = { lineage: 'l', epoch: '3', holder: 'h', since: at('11:00:00') }
  const conflicting = { ...led, status: { ...online, fenceConflict } }
  const rejected: Counted = { ...conflicting, agent: { ...approved, approval: 'rejected' } }
  expect(tallied(led, conflicting, rejected, { ...conflicting, isConnected: false }).fenceConflicts).toBe(2)
})
