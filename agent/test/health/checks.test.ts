import { afterEach, describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { HealthServer } from '@regent/runtime/health/health-server.ts'
import { livenessChecks, readinessChecks, stalledAfterSeconds } from '../../src/health/checks.ts'
import { ScriptedElection } from '../support/scripted-election.ts'

const open: HealthServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

interface Started {
  readonly election: ScriptedElection
  readonly ask: (path: string) => Promise<{ status: number; body: string }>
  readonly state: { stopping: boolean }
}

/** The checks as the kubelet and people see them: through the server that asks them. */
async function started(): Promise<Started> {
  const election = new ScriptedElection()
  const state = { stopping: false }
  const server = new HealthServer({
    address: '127.0.0.1',
    port: 0,
    liveness: () => livenessChecks(election),
    readiness: () => readinessChecks(election, state.stopping),
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => Promise.resolve('') },
    onError: () => undefined,
  })
  const port = await server.listen()
  open.push(server)
  const ask: Started['ask'] = async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
    return { status: response.status, body: await response.text() }
  }
  return { election, ask, state }
}

test('every path that the kubelet asks is answered', async () => {
  const { ask } = await started()
  for (const { path } of Object.values(agent.probes)) expect((await ask(path)).status).toBe(200)
})

test('a standby is ready', async () => {
  const { ask } = await started()
  expect(await ask('/readyz')).toMatchObject({ status: 200, body: 'ok\n' })
})

describe('liveness', () => {
  test('fails for an elector that hangs, and only then', async () => {
    const { ask, election } = await started()
    election.silentSeconds = stalledAfterSeconds
    expect((await ask('/livez')).status).toBe(200)
    election.silentSeconds = stalledAfterSeconds + 0.1
    expect(await ask('/livez')).toMatchObject({
      status: 503,
      body: '[-] elector: no sign of life for 10.1 s, expected one within 10 s; its thread hangs, and the kubelet restarts the container\nnot ok\n',
    })
  })

  test.each([
    { role: 'suspended' },
    { role: 'starting', synced: false, prepared: false },
    { role: 'draining' },
    { role: 'stopped' },
    { obstacle: 'the API server refuses `watch` of the Lease' },
  ] as const)('does not fail for what a restart cannot mend: %j', async (status) => {
    const { ask, election } = await started()
    election.become(status)
    expect((await ask('/livez')).status).toBe(200)
  })
})

describe('readiness', () => {
  const obstacle =
    'the API server refuses `update` of the Lease regent-agent-local; grant it in the Role regent-agent-local'
  test.each([
    ['while the Lease was not read', { synced: false }, '[-] synced: the Lease was not read yet'],
    ['while a work prepares', { prepared: false }, '[-] prepared: a work of the leader is still preparing'],
    ['with an obstacle, and names it', { obstacle }, `[-] unobstructed: ${obstacle}`],
    ['while the leader hands over', { role: 'draining' }, '[-] staying: this leader hands over'],
    ['once the election is over', { role: 'stopped' }, '[-] staying: this process was told to stop'],
  ] as const)('fails %s', async (_, status, reason) => {
    const { ask, election } = await started()
    election.become(status)
    for (const path of ['/readyz', '/healthz']) {
      const { status: code, body } = await ask(path)
      expect({ code, body }).toEqual({ code: 503, body: expect.stringContaining(reason) as unknown })
    }
  })

  test('fails from the moment at which the process is told to stop', async () => {
    const { ask, state } = await started()
    state.stopping = true
    expect((await ask('/readyz')).status).toBe(503)
  })

  test.each([{ role: 'leading' }, { role: 'suspended' }, { role: 'standby' }, { cordoned: true }] as const)(
    'does not fail: %j',
    async (status) => {
      const { ask, election } = await started()
      election.become(status)
      expect((await ask('/readyz')).status).toBe(200)
    },
  )
})

describe('an API server that does not answer', () => {
  const unreachable = 'connect ECONNREFUSED 10.96.0.1:443'

  test.each(['leading', 'suspended', 'standby'] as const)(
    'leaves a replica that is %s ready, and is named',
    async (role) => {
      const { ask, election } = await started()
      election.become({ role, unreachable })
      const { status, body } = await ask('/readyz?verbose')
      expect(status).toBe(200)
      expect(body).toMatch(new RegExp(`^\\[\\+\\] staying: .*; the API server does not answer: ${unreachable}$`, 'm'))
    },
  )

  test('is why a replica that starts is not ready', async () => {
    const { ask, election } = await started()
    election.become({ role: 'starting', synced: false, unreachable })
    expect(await ask('/readyz')).toEqual({
      status: 503,
      body: `[-] synced: the Lease was not read yet; the API server does not answer: ${unreachable}\nnot ok\n`,
    })
    expect((await ask('/readyz?verbose')).body).toContain(
      `[+] staying: this replica is starting; the API server does not answer: ${unreachable}\n`,
    )
  })

  test('is not what one is told whose requests are refused', async () => {
    const { ask, election } = await started()
    election.become({ role: 'starting', synced: false, obstacle: 'may not get the Lease' })
    expect((await ask('/readyz')).body).toBe(
      '[-] synced: the Lease was not read yet; the obstacle below says why\n[-] unobstructed: may not get the Lease\nnot ok\n',
    )
  })
})

test('verbose explains every check in words', async () => {
  const { ask, election } = await started()
  election.become({ role: 'suspended', holder: 'regent-agent-local-1_uid_boot', cordoned: true })
  expect((await ask('/readyz?verbose')).body).toBe(
    [
      '[+] synced: the Lease was read; held by regent-agent-local-1_uid_boot',
      '[+] prepared: every work of the leader is prepared here',
      '[+] unobstructed: nothing keeps this replica from competing',
      '[+] staying: this replica holds the Lease but could not renew it: no work runs until the API server answers; it was told to stand aside and does not compete',
      'ok',
      '',
    ].join('\n'),
  )
  expect((await ask('/livez?verbose')).body).toBe(
    '[+] event-loop: it answers\n[+] elector: its last sign of life is 0.0 s old\nok\n',
  )
})
