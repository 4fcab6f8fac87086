import { describe, expect, test } from '@jest/globals'
import type { Census } from '../../src/census/census-record.ts'
import { freshMs } from '../../src/census/fleet-figures.ts'
import { ControlPlaneMetrics } from '../../src/metrics/control-plane-metrics.ts'

/** The samples of a metric, by their labels. */
async function samples(metrics: ControlPlaneMetrics, name: string): Promise<Readonly<Record<string, number>>> {
  const lines = (await metrics.text()).split('\n')
  const found = lines
    .map((line) => new RegExp(`^${name}(?:{(.*)})? (\\S+)$`).exec(line))
    .filter((match) => match !== null)
  return Object.fromEntries(found.map(([, labels = '', value]) => [labels.replaceAll('"', ''), Number(value)]))
}

test('what the hub tells of registrations is counted, each kind from 0 on', async () => {
  const metrics = new ControlPlaneMetrics()
  const { onRegistration, onFenced } = metrics.hubEvents
  expect(await samples(metrics, 'regent_agent_leaderships_total')).toEqual({
    'as=first': 0,
    'as=newer': 0,
    'as=again': 0,
  })
  expect(await samples(metrics, 'regent_agent_registrations_total')).toMatchObject({ 'outcome=older': 0 })
  onRegistration('accepted', 'first')
  onRegistration('accepted', 'newer')
  onRegistration('accepted', 'newer')
  onRegistration('older')
  onFenced('local', 'older')
  expect(await samples(metrics, 'regent_agent_leaderships_total')).toEqual({
    'as=first': 1,
    'as=newer': 2,
    'as=again': 0,
  })
  expect(await samples(metrics, 'regent_agent_registrations_total')).toMatchObject({
    'outcome=accepted': 3,
    'outcome=older': 1,
    'outcome=pending': 0,
  })
  expect(await samples(metrics, 'regent_fenced_total')).toEqual({ 'agent=local,reason=older': 1 })
})

test('what is now is read at each scrape', async () => {
  const metrics = new ControlPlaneMetrics()
  let now = { health: { online: 2, draining: 1, suspended: 0, stale: 3 }, connections: 7, queueDepth: 11 }
  metrics.observe(() => now)
  expect(await samples(metrics, 'regent_agents')).toEqual({
    'health=online': 2,
    'health=draining': 1,
    'health=suspended': 0,
    'health=stale': 3,
  })
  expect(await samples(metrics, 'regent_queue_depth')).toEqual({ '': 11 })
  expect(await samples(metrics, 'regent_active_connections')).toEqual({ 'kind=agents': 7, 'kind=people': 0 })
  now = { health: { online: 0, draining: 0, suspended: 0, stale: 0 }, connections: 0, queueDepth: 0 }
  expect(await samples(metrics, 'regent_queue_depth')).toEqual({ '': 0 })
  expect(await samples(metrics, 'regent_agents')).toMatchObject({ 'health=online': 0, 'health=stale': 0 })
})

test('commands make no series of their own, whatever actions they ask for', async () => {
  const metrics = new ControlPlaneMetrics()
  for (const action of ['describe', 'unknown', 'a1', 'a2', 'constructor']) metrics.observeCommand(action, 'failed', 1)
  expect(await samples(metrics, 'regent_commands_total')).toEqual({
    'action=describe,outcome=failed': 1,
    'action=unknown,outcome=failed': 4,
  })
  expect(await samples(metrics, 'regent_command_duration_seconds_count')).toEqual({
    'action=describe': 1,
    'action=unknown': 4,
  })
})

test('commands that ended and requests to etcd are counted and timed', async () => {
  const metrics = new ControlPlaneMetrics()
  metrics.observeCommand('describe', 'poisoned', 4)
  metrics.observeStore('transact', 'unavailable', 0.02)
  expect(await samples(metrics, 'regent_commands_total')).toEqual({ 'action=describe,outcome=poisoned': 1 })
  expect(await samples(metrics, 'regent_command_duration_seconds_sum')).toEqual({ 'action=describe': 4 })
  expect(await samples(metrics, 'regent_store_request_duration_seconds_sum')).toEqual({
    'request=transact,outcome=unavailable': 0.02,
  })
})

describe('all agents, as one pod counted them', () => {
  const takenAt = '2026-03-01T12:00:00.000Z'
  const census: Census = {
    ...{ takenAt, pod: 'pod-0', tookSeconds: 0.25, fenceConflicts: 1, unreadable: 3 },
    agents: { pending: 1, approved: 5, rejected: 2 },
    leaderless: { count: 2, since: '2026-03-01T11:59:00.000Z' },
    openCommands: { count: 7, oldestCreatedAt: '2026-03-01T11:00:00.000Z' },
  }
  const ofPod = { health: { online: 0, draining: 0, suspended: 0, stale: 0 }, connections: 0, queueDepth: 0 }
  /** Every sample, by its name and labels. */
  const told = async (metrics: ControlPlaneMetrics): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      (await metrics.text())
        .split('\n')
        .filter((line) => line.startsWith('regent_fleet_'))
        .map((line) => line.replaceAll('"', '').split(' ') as [string, string]),
    )

  test('are told as they are now, each figure under its own name', async () => {
    const metrics = new ControlPlaneMetrics(() => Date.parse(takenAt) + 20_000)
    metrics.observe(() => ({ ...ofPod, census }))
    expect(await told(metrics)).toEqual({
      regent_fleet_census_timestamp_seconds: String(Date.parse(takenAt) / 1000),
      regent_fleet_census_duration_seconds: '0.25',
      'regent_fleet_agents{approval=pending}': '1',
      'regent_fleet_agents{approval=approved}': '5',
      'regent_fleet_agents{approval=rejected}': '2',
      regent_fleet_leaderless_agents: '2',
      regent_fleet_longest_leaderless_seconds: '80',
      regent_fleet_fence_conflicts: '1',
      regent_fleet_open_commands: '7',
      regent_fleet_oldest_open_command_age_seconds: '3620',
      regent_fleet_unreadable_records: '3',
    })
  })

  test('are not told before they were counted: only that they never were', async () => {
    const metrics = new ControlPlaneMetrics()
    const never = { regent_fleet_census_timestamp_seconds: '0' }
    expect(await told(metrics)).toEqual(never)
    metrics.observe(() => ofPod)
    expect(await told(metrics)).toEqual(never)
  })

  test('are not told any more once nobody counts them: only when that was', async () => {
    let nowMs = Date.parse(takenAt)
    const metrics = new ControlPlaneMetrics(() => nowMs)
    metrics.observe(() => ({ ...ofPod, census }))
    expect(await told(metrics)).toHaveProperty('regent_fleet_leaderless_agents', '2')
    nowMs += freshMs + 1
    expect(await told(metrics)).toEqual({
      regent_fleet_census_timestamp_seconds: String(Date.parse(takenAt) / 1000),
    })
  })
})
