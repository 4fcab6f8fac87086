import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { type Takeover, takeoverReasons } from '@regent/contract/takeover.ts'
import { ApiServer } from './api-server.ts'
import { identityOf, leaseObject, leasesPath } from './lease.ts'
import { project, Session } from './program.ts'

const takeovers: readonly Takeover[] = [
  {
    epoch: '90071992547409931234',
    holder: identityOf('pod-b'),
    from: identityOf('pod-a'),
    at: '2026-05-04T03:02:01.000Z',
    reason: 'step-down',
    phases: { detected: 12, acquired: 34, registered: 56 },
  },
  {
    epoch: '7',
    holder: identityOf('pod-a'),
    at: '2026-05-04T01:00:00.000Z',
    reason: 'first',
    phases: { detected: 0, acquired: 21 },
  },
]
const led = leaseObject({
  agent: 'one',
  leader: 'pod-b',
  epoch: '90071992547409931234',
  takeovers,
  standbys: [
    { pod: 'pod-a', ready: true },
    { pod: 'pod-c', ready: false },
  ],
  annotations: { 'regent.dev/reason': 'step-down', 'regent.dev/cordoned': 'pod-c, pod-x' },
})
const released = leaseObject({ agent: 'two', annotations: { 'regent.dev/released-by': identityOf('pod-q') } })
const stranger = { ...led, metadata: { name: 'kube-scheduler' } }
const node = { metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'zone-1' } } }

test('every reason for which leadership changes is explained to who operates agents', () => {
  const page = readFileSync(join(project, 'docs/operations.md'), 'utf8')
  for (const reason of Object.keys(takeoverReasons)) expect(page).toMatch(new RegExp(`^\\| \`${reason}\` +\\| `, 'm'))
})

describe('status', () => {
  const session = new Session()
  let folder = ''
  const objects: Record<string, object | number> = {}
  let api: ApiServer
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regent-status-'))
    api = await ApiServer.start(objects)
  })
  afterAll(async () => {
    session.end()
    await api.stop()
    rmSync(folder, { recursive: true })
  })
  afterEach(() => {
    for (const path of Object.keys(objects)) Reflect.deleteProperty(objects, path)
  })

  const status = (...args: readonly string[]) =>
    session.regent('status', ...args, '--kubeconfig', api.kubeconfig(folder))

  test('shows everything of one agent', async () => {
    Object.assign(objects, { [`${leasesPath}/regent-agent-one`]: led, '/api/v1/nodes/node-a': node })
    const { code, stdout, stderr } = await status('one')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.replace(/renewed {3}[0-9.]+ s ago/, 'renewed   0.1 s ago')).toBe(`agent     one
leader    pod-b
node      node-a
zone      zone-1
epoch     90071992547409931234
since     2026-05-04T03:02:01.000Z
why       a person told the leader to hand over (step-down)
renewed   0.1 s ago
link      registered at the control plane
standbys  pod-a (ready), pod-c (not ready)
cordoned  pod-c, pod-x

TAKEOVER                  EPOCH                 FROM   TO     DETECTED  ACQUIRED  REGISTERED  WHY
2026-05-04T03:02:01.000Z  90071992547409931234  pod-a  pod-b  12 ms     34 ms     56 ms       step-down
2026-05-04T01:00:00.000Z  7                     -      pod-a  0 ms      21 ms     -           first
`)
  })

  test('shows a row for each of several agents, and nothing of the Leases of others', async () => {
    Object.assign(objects, { [leasesPath]: { items: [released, stranger, led] } })
    const { code, stdout, stderr } = await status()
    // Nobody leads the second.
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const rows = stdout.trimEnd().split('\n')
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatch(/^AGENT +LEADER +NODE +ZONE +EPOCH +SINCE +RENEWED +LINK +STANDBYS +WHY$/)
    expect(rows[1]).toMatch(
      /^one +pod-b +node-a +- +90071992547409931234 +2026-05-04T03:02:01.000Z +[0-9.]+ s ago +registered +1 of 2 ready +step-down$/,
    )
    expect(rows[2]).toMatch(
      /^two +nobody +node-a +- +7 .* 0 of 0 ready +pod-q gave the Lease back, and nobody has taken it$/,
    )
  })

  test('--json is complete, also where a node may not be read', async () => {
    Object.assign(objects, { [leasesPath]: { items: [led, released] }, '/api/v1/nodes/node-a': 403 })
    const { code, stdout } = await status('--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual([
      {
        agent: 'one',
        leader: 'pod-b',
        obstacle: null,
        node: 'node-a',
        zone: null,
        epoch: '90071992547409931234',
        since: '2026-05-04T03:02:01.000Z',
        reason: 'step-down',
        ageSeconds: expect.any(Number) as unknown,
        durationSeconds: 60,
        link: 'registered',
        standbys: [
          { pod: 'pod-a', ready: true },
          { pod: 'pod-c', ready: false },
        ],
        cordoned: ['pod-c', 'pod-x'],
        takeovers,
      },
      expect.objectContaining({
        agent: 'two',
        leader: null,
        obstacle: 'pod-q gave the Lease back, and nobody has taken it',
      }),
    ])
  })

  test('every page of the Leases is read', async () => {
    const pages = [{ items: [released], metadata: { continue: 'more' } }, { items: [led] }]
    let asked = 0
    Object.defineProperty(objects, leasesPath, {
      get: () => pages[asked++] ?? 500,
      configurable: true,
      enumerable: true,
    })
    const { stdout } = await status()
    expect(stdout.split('\n').map((row) => row.split(' ')[0])).toEqual(['AGENT', 'one', 'two', ''])
    expect(api.asked).toContainEqual(expect.stringContaining('continue=more'))
  })

  test('a Lease as the manifests hold it was led by nobody yet', async () => {
    Object.assign(objects, { [`${leasesPath}/regent-agent-one`]: { metadata: { name: 'regent-agent-one' } } })
    const { code, stdout } = await status('one')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^leader +nobody: no replica has led yet$/m)
    expect(stdout).toMatch(/^renewed +unknown$/m)
  })

  test('a leader that does not renew leads no more', async () => {
    const silent = leaseObject({ agent: 'one', leader: 'pod-a', renewedAt: new Date(Date.now() - 80_000) })
    Object.assign(objects, { [`${leasesPath}/regent-agent-one`]: silent })
    const { code, stdout } = await status('one')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^leader +nobody: pod-a has not renewed the Lease for [89]\d s$/m)
    expect(stdout).toMatch(/^renewed +[89]\d s ago, expired$/m)
    expect(stdout).toMatch(/^last epoch +7$/m)
  })

  test('garbage on a Lease is shown as unknown, and what fits is shown', async () => {
    const edited = leaseObject({
      agent: 'one',
      leader: 'pod-a',
      epoch: '-1',
      annotations: {
        'regent.dev/since': 'yesterday',
        'regent.dev/reason': 'why not',
        'regent.dev/standbys': '[{"pod":7}]',
        'regent.dev/link': 'perhaps',
        'regent.dev/takeovers': '[{',
      },
    })
    Object.assign(objects, { [`${leasesPath}/regent-agent-one`]: edited })
    const { code, stdout, stderr } = await status('one')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const name of ['epoch', 'since', 'why', 'standbys']) {
      expect(stdout).toMatch(new RegExp(`^${name} +unknown$`, 'm'))
    }
    expect(stdout).toMatch(/^link +-$/m)
    expect(stdout).toMatch(/\n\ntakeovers: unknown\n$/)
    expect(stdout).toMatch(/^leader +pod-a$/m)
  })

  test('fails if there is no such Lease, with those that there are', async () => {
    Object.assign(objects, { [leasesPath]: { items: [led, released] } })
    expect(await status('ones')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        "error: no Lease regent-system/regent-agent-ones, did you mean 'one'?: without leader election there is none; with it, the manifests hold it; agents with a Lease: one, two\n",
    })
  })

  test('fails if no agent has a Lease', async () => {
    Object.assign(objects, { [leasesPath]: { items: [] } })
    const { code, stderr } = await status()
    expect(code).toBe(1)
    expect(stderr).toBe(
      'error: no agent has a Lease in regent-system: without leader election there is none; with it, the manifests hold it\n',
    )
  })

  test('fails if the user may not read Leases, and names the verb', async () => {
    Object.assign(objects, { [leasesPath]: 403, [`${leasesPath}/regent-agent-one`]: 403 })
    const says = (verb: string) =>
      `error: you may not ${verb} Leases in regent-system (403): a Role there must allow '${verb}' on leases.coordination.k8s.io\n`
    expect(await status()).toEqual({ code: 1, stdout: '', stderr: says('list') })
    expect(await status('one')).toEqual({ code: 1, stdout: '', stderr: says('get') })
  })

  test('fails if the cluster refuses the credentials, or cannot be asked', async () => {
    const refused = await status('--context', 'stranger')
    expect(refused.stderr).toBe(
      `error: the cluster at ${api.url} did not list Leases in regent-system: it refuses the credentials (401)\n`,
    )
    Object.assign(objects, { [leasesPath]: 500 })
    expect((await status()).stderr).toContain('did not list Leases in regent-system: it answers with 500')
    expect((await status('--context', 'nobody')).code).toBe(2)
  })
})
