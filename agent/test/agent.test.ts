import { createServer } from 'node:net'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { type AgentOptions, leaderWorks, runAgent } from '../src/agent.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import type { LeaderWork } from '../src/election/leader-work.ts'
import { recordBoot } from '../src/lifecycle/boots.ts'
import { openLog } from '@regent/runtime/logging/log.ts'
import { podEnvironment } from './support/pod-environment.ts'
import { RecordedHost } from '@regent/runtime/test/support/recorded-host.ts'
import type { Line } from '@regent/runtime/test/support/recorded-log.ts'
import { ScriptedElection, ScriptedLeadership } from './support/scripted-election.ts'

const pod = podEnvironment()
afterAll(pod.remove)

const running: { host: RecordedHost; election: ScriptedElection }[] = []
afterEach(async () => {
  for (const { host, election } of running.splice(0)) {
    if (election.starts === 0 || election.stops > 0) continue
    const exited = host.nextExit()
    host.signal('SIGTERM')
    election.stopping.resolve(true)
    await exited
  }
})

interface Run {
  readonly host: RecordedHost
  readonly election: ScriptedElection
  readonly works: () => readonly LeaderWork[]
  readonly mayRetakeAtOnce: () => boolean | undefined
  readonly lines: () => readonly Line[]
  readonly text: () => string
  readonly get: (path: string) => Promise<Response>
}

/** Runs the whole program around an election that the test scripts. */
async function run(
  changes: Readonly<Record<string, string | undefined>> = {},
  options: Partial<AgentOptions> = {},
): Promise<Run> {
  const host = new RecordedHost()
  const election = new ScriptedElection()
  running.push({ host, election })
  const written: string[] = []
  let works: readonly LeaderWork[] = []
  let mayRetakeAtOnce: boolean | undefined
  await runAgent({
    host,
    environment: pod.with({ POD_UID: randomUUID(), ...changes }),
    scratchFolder: pod.folder,
    healthPort: 0,
    elect: (_, given, start) => {
      works = given
      mayRetakeAtOnce = start.mayRetakeAtOnce
      return election
    },
    openLog: (log) => openLog({ ...log, destination: { write: (line) => void written.push(line) } }),
    ...options,
  })
  const lines = (): readonly Line[] => written.map((line) => JSON.parse(line) as Line)
  const port = (): number => Number(lines().find(({ event }) => event === 'started')?.['healthPort'])
  return {
    host,
    election,
    works: () => works,
    mayRetakeAtOnce: () => mayRetakeAtOnce,
    lines,
    text: () => written.join(''),
    get: (path) => fetch(`http://127.0.0.1:${port()}${path}`, { headers: { connection: 'close' } }),
  }
}

test('it starts, answers for its health, and says who it is in every line', async () => {
  const { election, get, lines, host } = await run()
  expect(election.starts).toBe(1)
  expect((await get('/livez')).status).toBe(200)
  expect((await get('/readyz')).status).toBe(200)
  expect(await (await get('/metrics')).text()).toContain('regent_agent_is_leader{agent="local"} 0')
  expect(lines().map(({ agent: id, pod: name }) => [id, name])).toEqual([['local', 'regent-agent-local-0']])
  expect(host.exits).toEqual([])
})

test('it reads the variables of the contract, and no others', async () => {
  const read = new Set<string>()
  const environment: Environment = new Proxy(pod.with({ POD_UID: randomUUID() }), {
    get: (target, name: string) => {
      read.add(name)
      return target[name]
    },
    ownKeys: () => {
      throw new Error('nobody needs to know which other variables there are')
    },
  })
  await run({}, { environment })
  expect([...read].sort()).toEqual(
    Object.values(agent.env)
      .map(({ variable }) => variable)
      .sort(),
  )
})

test('it writes where the contract lets it', () => {
  const { TMPDIR } = process.env
  delete process.env['TMPDIR']
  try {
    expect(agent.writes.map(({ path }) => path)).toEqual([tmpdir()])
  } finally {
    if (TMPDIR !== undefined) process.env['TMPDIR'] = TMPDIR
  }
})

test('a wrong configuration ends it with 2, a line for each problem, and starts nothing', async () => {
  const { host, election, lines } = await run({ AGENT_ID: 'A', REPLICAS: undefined })
  expect(host.exits).toEqual([2])
  expect(host.complaints.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^AGENT_ID: expected .+, got "A"; set AGENT_ID: /),
    expect.stringMatching(/^REPLICAS: expected .+, got nothing; set REPLICAS: /),
  ])
  expect(lines()).toEqual([
    expect.objectContaining({ level: 'error', event: 'configuration-invalid', variables: 'AGENT_ID, REPLICAS' }),
  ])
  expect(election.starts).toBe(0)
})

test('a second process of the same pod ends with 3, and competes for nothing', async () => {
  const uid = randomUUID()
  const first = await run({ POD_UID: uid })
  const second = await run({ POD_UID: uid })
  expect([first.host.exits, second.host.exits]).toEqual([[], [3]])
  expect(second.election.starts).toBe(0)
  expect(second.lines()).toEqual([expect.objectContaining({ level: 'error', event: 'pod-locked' })])
})

test('a port that is taken ends it with 1, and it competes for nothing', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const { host, election, lines } = await run(
    {},
    { healthPort: typeof address === 'object' ? (address?.port ?? 0) : 0 },
  )
  other.close()
  expect(host.exits).toEqual([1])
  expect(election.starts).toBe(0)
  expect(lines()).toEqual([
    expect.objectContaining({ event: 'start-failed', error: expect.stringContaining('EADDRINUSE') as unknown }),
  ])
})

test('a stop is not ready from the first moment, and the health port lasts until the work has ended', async () => {
  const { host, election, get } = await run()
  host.signal('SIGTERM')
  // A standby has nothing to hand over, and stays what it is until the election is over.
  election.become({ role: 'standby' })
  expect((await get('/readyz')).status).toBe(503)
  expect((await get('/livez')).status).toBe(200)
  election.stopping.resolve(true)
  expect(await host.ended.promise).toBe(0)
  await expect(get('/livez')).rejects.toThrow()
})

test('an error that nobody caught is logged and ends it with 1', async () => {
  const { host, lines } = await run()
  host.uncaught(new Error('boom'))
  expect(host.exits).toEqual([1])
  expect(lines().at(-1)).toMatchObject({ level: 'error', event: 'uncaught', error: 'Error: boom' })
  host.uncaught('a text')
  expect(lines().at(-1)).toMatchObject({ event: 'uncaught', error: 'Error: a text' })
})

test('a replica whose election is over although nobody stopped it does not stay as a zombie', async () => {
  const { host, election, lines } = await run()
  election.become({ role: 'stopped' })
  expect(host.exits).toEqual([1])
  expect(lines().at(-1)).toMatchObject({ level: 'error', event: 'election-ended' })
})

test('what happens in the election is logged once, with stable names', async () => {
  const { election, lines } = await run({ LOG_LEVEL: 'debug' })
  election.become({ role: 'standby', holder: 'other', epoch: 41n })
  election.become({ holder: 'another' })
  election.become({ obstacle: 'the API server refuses `update` of the Lease' })
  election.become({ cordoned: true })
  election.become({ role: 'leading', epoch: 42n })
  election.emit('leading', new ScriptedLeadership(), { resumed: false })
  election.emit('renewed', 0.01)
  election.emit('slowPath')
  election.emit('watchRestarted', 'lease', 'ended')
  election.emit('evidence', { by: 'peer', confirmed: true, why: 'refused' })
  election.emit('stalled', 1.5)
  election.emit('notice', 'warn', 'peer-port-failed', { why: 'taken' })
  election.emit('ended', { epoch: 42n, reason: 'lost' })
  expect(lines().map(({ level, event }) => `${level} ${event}`)).toEqual([
    'info started',
    'info role-changed',
    'warn obstacle',
    'info cordoned',
    'info role-changed',
    'info leading',
    'debug renewed',
    'info renewed-after-read',
    'info watch-restarted',
    'info evidence-judged',
    'warn event-loop-stalled',
    'warn peer-port-failed',
    'info leadership-ended',
  ])
  expect(lines().find(({ event }) => event === 'leading')).toMatchObject({
    epoch: '42',
    reason: 'expired',
    resumed: false,
    detectedMs: 6100,
    acquiredMs: 6150,
  })
})

test('with election the leader records itself, without there is no Lease to record on', async () => {
  expect((await run()).works().map(({ name }) => name)).toEqual(['leader-record', 'control-link'])
  const alone = await run({ ENABLE_HA: 'false', REPLICAS: '1' })
  expect(alone.works().map(({ name }) => name)).toEqual(['control-link'])
})

test('every work knows the election that it is a part of, and has its say on the health pages', async () => {
  let seen: unknown
  const name = 'more'
  const work: LeaderWork = {
    name,
    lead: () => Promise.resolve(),
    observe: (election) => (seen = election),
    checks: () => ({
      liveness: [{ name, ok: false, explanation: 'it hangs' }],
      readiness: [{ name, ok: true, explanation: 'it waits' }],
    }),
  }
  const { election, get } = await run({}, { works: () => [work] })
  expect(seen).toBe(election)
  const live = await get('/livez')
  expect([live.status, await live.text()]).toEqual([503, '[-] more: it hangs\nnot ok\n'])
  const ready = await get('/readyz?verbose')
  expect(ready.status).toBe(200)
  expect(await ready.text()).toContain('[+] more: it waits')
})

test('more work of the leader is a matter of one line', async () => {
  const more: LeaderWork = { name: 'more', lead: () => Promise.resolve() }
  const { works } = await run({}, { works: (context) => [...leaderWorks(context), more] })
  expect(works().map(({ name }) => name)).toEqual(['leader-record', 'control-link', 'more'])
})

test('a third start within five minutes may not take the Lease back at once', async () => {
  const may: unknown[] = []
  for (const startsBefore of [1, 2]) {
    const uid = randomUUID()
    for (let start = 0; start < startsBefore; start += 1) recordBoot(pod.folder, uid, Date.now())
    may.push((await run({ POD_UID: uid })).mayRetakeAtOnce())
  }
  expect(may).toEqual([true, false])
})

test('where starts cannot be remembered it says so, and does not take the Lease back at once', async () => {
  const { lines, mayRetakeAtOnce } = await run({}, { scratchFolder: join(pod.folder, 'missing') })
  expect(lines()[0]).toMatchObject({ level: 'warn', event: 'boots-unknown' })
  expect(mayRetakeAtOnce()).toBe(false)
})
