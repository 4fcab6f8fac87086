import { expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { takeoverReasons } from '@regent/contract/takeover.ts'
import type { Metric } from '@regent/contract/program.ts'
import { AgentMetrics } from '../../src/metrics/agent-metrics.ts'
import { ScriptedElection, ScriptedLeadership } from '../support/scripted-election.ts'

interface Exported {
  readonly type: string
  readonly help: string
  readonly labels: Set<string>
  readonly buckets: Set<number>
}

/** What a scrape says, by the name of the metric: read from its text, as Prometheus does. */
function parsed(text: string): Map<string, Exported> {
  const found = new Map<string, Exported>()
  const helps = new Map<string, string>()
  for (const line of text.split('\n')) {
    const help = /^# HELP (\S+) (.*)$/.exec(line)
    if (help?.[1] !== undefined) helps.set(help[1], help[2] ?? '')
    const type = /^# TYPE (\S+) (\S+)$/.exec(line)
    if (type?.[1] !== undefined && type[2] !== undefined) {
      found.set(type[1], { type: type[2], help: helps.get(type[1]) ?? '', labels: new Set(), buckets: new Set() })
    }
    const sample = /^([a-z_:]+)(?:\{(.*)\})? \S+$/i.exec(line)
    const metric = sample?.[1] && (found.get(sample[1]) ?? found.get(sample[1].replace(/_(bucket|sum|count)$/, '')))
    if (!metric) continue
    for (const [, name, value] of (sample[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)) {
      if (name !== 'le') metric.labels.add(name ?? '')
      else if (value !== '+Inf') metric.buckets.add(Number(value))
    }
  }
  return found
}

/** The value of one series. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

function observed(): { election: ScriptedElection; metrics: AgentMetrics } {
  const metrics = new AgentMetrics('local')
  const election = new ScriptedElection()
  metrics.observe(election)
  return { election, metrics }
}

test('after everything has happened, exactly what the contract declares is exported, as declared', async () => {
  const { election, metrics } = observed()
  election.emit('leading', new ScriptedLeadership(), { resumed: false })
  election.emit('ended', { epoch: 42n, reason: 'lost' })
  election.emit('renewed', 0.01)
  election.emit('slowPath')
  election.emit('watchRestarted', 'lease', 'gone')
  election.emit('stalled', 1)
  metrics.countFenced('admission')
  metrics.countFenced('control-plane')
  metrics.observeLink({ isRegistered: true, waiting: 2 }, ['describe'])
  metrics.countLinkAttempt('registered')
  metrics.countCommand('describe', 'done')
  metrics.observePhase('registered', 0.1)
  const exported = parsed(await metrics.text())

  const ours = [...exported.keys()].filter((name) => !/^(process|nodejs)_/.test(name)).sort()
  expect(ours).toEqual(
    Object.values(agent.metrics)
      .map(({ name }) => name)
      .sort(),
  )
  for (const declared of Object.values<Metric>(agent.metrics)) {
    expect({ name: declared.name, ...exported.get(declared.name) }).toEqual({
      name: declared.name,
      type: declared.type,
      help: declared.help,
      labels: new Set(declared.labels),
      buckets: new Set(declared.buckets),
    })
  }
})

test('before anything has happened, every counter with known reasons is there with 0', async () => {
  const text = await observed().metrics.text()
  for (const reason of Object.keys(takeoverReasons)) {
    expect(valueOf(text, `regent_agent_leader_transitions_total{agent="local",reason="${reason}"}`)).toBe(0)
    expect(valueOf(text, `regent_agent_leaderships_lost_total{agent="local",reason="${reason}"}`)).toBe(0)
  }
  for (const reason of ['suspended', 'lost', 'drained', 'released']) {
    expect(valueOf(text, `regent_agent_leaderships_lost_total{agent="local",reason="${reason}"}`)).toBe(0)
  }
  expect(valueOf(text, 'regent_agent_fenced_total{agent="local",by="admission"}')).toBe(0)
  expect(valueOf(text, 'regent_agent_fenced_total{agent="local",by="control-plane"}')).toBe(0)
})

test.each([
  ['starting', 0, 0],
  ['standby', 0, 0],
  ['leading', 2.5, 1],
  ['leading', Infinity, 1],
  ['leading', 0, 0],
  ['draining', 2.5, 1],
  ['draining', 0, 0],
  ['suspended', 0, 0],
  ['stopped', 0, 0],
] as const)(
  'a replica that is %s and may act for another %d s is leader: %d',
  async (role, remainingSeconds, leads) => {
    const { election, metrics } = observed()
    election.become({ role })
    election.remainingSeconds = remainingSeconds
    const text = await metrics.text()
    expect(valueOf(text, 'regent_agent_is_leader{agent="local"}')).toBe(leads)
    expect(valueOf(text, 'leader_election_master_status{name="local"}')).toBe(leads)
  },
)

test('what remains of the leadership and its epoch are read at the scrape', async () => {
  const { election, metrics } = observed()
  expect(valueOf(await metrics.text(), 'regent_agent_epoch{agent="local"}')).toBe(0)
  election.become({ role: 'leading', epoch: 12345n })
  election.remainingSeconds = 3.25
  const text = await metrics.text()
  expect(valueOf(text, 'regent_agent_epoch{agent="local"}')).toBe(12345)
  expect(valueOf(text, 'regent_agent_lease_remaining_seconds{agent="local"}')).toBe(3.25)
})

test('a leadership that resumes after a suspension is no transition', async () => {
  const { election, metrics } = observed()
  election.emit('leading', new ScriptedLeadership(), { resumed: false })
  election.emit('ended', { epoch: 42n, reason: 'suspended' })
  election.emit('leading', new ScriptedLeadership(), { resumed: true })
  const text = await metrics.text()
  expect(valueOf(text, 'regent_agent_leader_transitions_total{agent="local",reason="expired"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_leaderships_lost_total{agent="local",reason="suspended"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_takeover_phase_seconds_count{agent="local",phase="acquired"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_takeover_phase_seconds_sum{agent="local",phase="acquired"}')).toBe(6.15)
  expect(valueOf(text, 'regent_agent_takeover_phase_seconds_sum{agent="local",phase="detected"}')).toBe(6.1)
})

test('the longest stall since the last scrape is told once', async () => {
  const { election, metrics } = observed()
  for (const seconds of [0.5, 2.5, 1]) election.emit('stalled', seconds)
  const stall = 'regent_agent_event_loop_stall_seconds{agent="local"}'
  expect(valueOf(await metrics.text(), stall)).toBe(2.5)
  expect(valueOf(await metrics.text(), stall)).toBe(0)
})

test('a reason in free words makes no series of its own', async () => {
  const { election, metrics } = observed()
  election.emit('watchRestarted', 'pods', 'read ECONNRESET 10.0.0.1:443 after 12.5 s')
  election.emit('watchRestarted', 'pods', 'x'.repeat(500))
  const text = await metrics.text()
  expect(valueOf(text, 'regent_agent_watch_restarts_total{agent="local",watch="pods",reason="other"}')).toBe(2)
})

test('the link and its commands are told: what is, at the scrape; what happened, from 0', async () => {
  const { metrics } = observed()
  expect(valueOf(await metrics.text(), 'regent_agent_link_connected{agent="local"}')).toBe(0)
  expect(valueOf(await metrics.text(), 'regent_agent_link_attempts_total{agent="local",outcome="fenced"}')).toBe(0)
  const link = { isRegistered: true, waiting: 3 }
  metrics.observeLink(link, ['describe'])
  metrics.countCommand('describe', 'failed')
  metrics.countLinkAttempt('registered')
  metrics.observePhase('registered', 0.25)
  metrics.observePhase('first-command', 0.5)
  const text = await metrics.text()
  expect(valueOf(text, 'regent_agent_link_connected{agent="local"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_commands_waiting{agent="local"}')).toBe(3)
  expect(valueOf(text, 'regent_agent_link_attempts_total{agent="local",outcome="registered"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_commands_total{agent="local",action="describe",outcome="failed"}')).toBe(1)
  expect(valueOf(text, 'regent_agent_commands_total{agent="local",action="describe",outcome="done"}')).toBe(0)
  expect(valueOf(text, 'regent_agent_commands_total{agent="local",action="unknown",outcome="rejected"}')).toBe(0)
  expect(valueOf(text, 'regent_agent_takeover_phase_seconds_sum{agent="local",phase="registered"}')).toBe(0.25)
  expect(valueOf(text, 'regent_agent_takeover_phase_seconds_sum{agent="local",phase="first-command"}')).toBe(0.5)
  link.isRegistered = false
  expect(valueOf(await metrics.text(), 'regent_agent_link_connected{agent="local"}')).toBe(0)
})
