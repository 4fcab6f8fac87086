import { expect, test } from '@jest/globals'
import type { Census } from '../../src/census/census-record.ts'
import { fleetFiguresOf, freshMs } from '../../src/census/fleet-figures.ts'

const takenAtMs = Date.parse('2026-03-01T12:00:00.000Z')
const census: Census = {
  takenAt: '2026-03-01T12:00:00.000Z',
  pod: 'pod-0',
  tookSeconds: 0.25,
  agents: { pending: 1, approved: 5, rejected: 2 },
  leaderless: { count: 2, since: '2026-03-01T11:59:00.000Z' },
  fenceConflicts: 1,
  openCommands: { count: 7, oldestCreatedAt: '2026-03-01T11:00:00.000Z' },
  unreadable: 3,
}

test('what was old when it was counted is older now', () => {
  expect(fleetFiguresOf(census, takenAtMs + 20_000)).toEqual({
    agents: census.agents,
    leaderless: 2,
    longestLeaderlessSeconds: 80,
    fenceConflicts: 1,
    openCommands: 7,
    oldestOpenCommandSeconds: 3620,
    unreadable: 3,
    censusSeconds: 0.25,
  })
})

test('of what there is none the age is 0, however old the census is', () => {
  const calm = { ...census, leaderless: { count: 0 }, openCommands: { count: 0 } }
  expect(fleetFiguresOf(calm, takenAtMs + 30_000)).toMatchObject({
    longestLeaderlessSeconds: 0,
    oldestOpenCommandSeconds: 0,
  })
})

test('a census that is too old says nothing of now', () => {
  expect(fleetFiguresOf(census, takenAtMs + freshMs)).toBeDefined()
  expect(fleetFiguresOf(census, takenAtMs + freshMs + 1)).toBeUndefined()
})

test('no age is negative where the clock of this pod is behind', () => {
  expect(fleetFiguresOf(census, takenAtMs - 7_200_000)).toMatchObject({
    longestLeaderlessSeconds: 0,
    oldestOpenCommandSeconds: 0,
  })
})
