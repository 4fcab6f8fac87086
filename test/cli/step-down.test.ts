import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { ApiServer } from './api-server.ts'
import { identityOf, type LeaseProps, leaseObject, leasesPath } from './lease.ts'
import { Session } from './program.ts'

const path = `${leasesPath}/regent-agent-one`
const ready = [{ pod: 'pod-b', ready: true }]

describe('step-down', () => {
  const session = new Session()
  let folder = ''
  let api: ApiServer
  const objects: Record<string, object | number> = {}
  /** What was asked by PATCH, and what becomes of it. */
  let patches: unknown[] = []
  let onPatch: () => object | number = () => 200
  let version = 0

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regent-step-down-'))
    api = await ApiServer.start(objects, (asked, patch) => {
      if (asked !== path) return 404
      patches.push(patch)
      return onPatch()
    })
  })
  afterAll(async () => {
    session.end()
    await api.stop()
    rmSync(folder, { recursive: true })
  })
  afterEach(() => {
    for (const key of Object.keys(objects)) Reflect.deleteProperty(objects, key)
    patches = []
    onPatch = () => 200
  })

  /** Puts the Lease of agent `one` as its leader writes it. */
  function lease(props: Omit<LeaseProps, 'agent'>): object {
    version += 1
    return (objects[path] = leaseObject({ agent: 'one', resourceVersion: String(version), ...props }))
  }
  const stepDown = (...args: readonly string[]) =>
    session.regent('step-down', 'one', '--timeout-seconds', '0.5', ...args, '--kubeconfig', api.kubeconfig(folder))

  test('asks the holder on the Lease that was read, and says who leads then', async () => {
    lease({ leader: 'pod-a', epoch: '7', standbys: ready, resourceVersion: '4711' })
    onPatch = () => {
      const asked = lease({ leader: 'pod-a', epoch: '7', standbys: ready })
      // It drains for a while, gives the Lease back, the next one takes it, and then writes its epoch.
      setTimeout(() => lease({ epoch: '7', annotations: { 'regent.dev/released-by': identityOf('pod-a') } }), 30)
      setTimeout(() => lease({ leader: 'pod-b', epoch: '' }), 60)
      setTimeout(() => lease({ leader: 'pod-b', epoch: '9', annotations: { 'regent.dev/node': 'node-b' } }), 90)
      return asked
    }
    const { code, stdout, stderr } = await stepDown('--timeout-seconds', '10')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      /^one: pod-b on node-b leads with epoch 9, 0\.[0-9]+ s after pod-a was asked to hand over\n$/,
    )
    expect(patches).toEqual([
      { metadata: { resourceVersion: '4711', annotations: { 'regent.dev/step-down': identityOf('pod-a') } } },
    ])
  })

  test('--json says the same', async () => {
    lease({ leader: 'pod-a', epoch: '7', standbys: ready })
    onPatch = () => lease({ leader: 'pod-b', epoch: '9' })
    const { code, stdout } = await stepDown('--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      agent: 'one',
      from: 'pod-a',
      to: 'pod-b',
      node: 'node-a',
      epoch: '9',
      seconds: expect.any(Number) as unknown,
    })
  })

  test('a renewal in between is no obstacle', async () => {
    lease({ leader: 'pod-a', standbys: ready, resourceVersion: '1' })
    onPatch = () => {
      if (patches.length > 2) return lease({ leader: 'pod-b', epoch: '9' })
      lease({ leader: 'pod-a', standbys: ready, resourceVersion: String(1 + patches.length) })
      return 409
    }
    expect((await stepDown()).code).toBe(0)
    const versions = (patches as { metadata: { resourceVersion: string } }[]).map(({ metadata }) => metadata)
    expect(versions.map(({ resourceVersion }) => resourceVersion)).toEqual(['1', '2', '3'])
  })

  test('fails if leadership moved in between, and asks nothing of the new leader', async () => {
    lease({ leader: 'pod-a', standbys: ready })
    onPatch = () => {
      lease({ leader: 'pod-b', standbys: ready })
      return 409
    }
    expect(await stepDown()).toEqual({
      code: 1,
      stdout: '',
      stderr: "error: leadership of agent 'one' has just moved from pod-a to pod-b; nothing was asked of it\n",
    })
    expect(patches).toHaveLength(1)
  })

  test.each([
    ['there is none', [], 'it has none'],
    ['none is ready', [{ pod: 'pod-b', ready: false }], 'not ready: pod-b'],
  ])('fails if no standby could take over: %s', async (_, standbys, why) => {
    lease({ leader: 'pod-a', standbys })
    expect(await stepDown()).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: no standby of agent 'one' is ready (${why}): nobody would lead until one is; wait for one, or use --force\n`,
    })
    expect(patches).toEqual([])
    onPatch = () => lease({ leader: 'pod-b', epoch: '9' })
    expect((await stepDown('--force')).code).toBe(0)
  })

  test('fails if the Lease does not tell its standbys', async () => {
    lease({ leader: 'pod-a', annotations: { 'regent.dev/standbys': 'edited' } })
    expect((await stepDown()).stderr).toContain('(the Lease does not tell)')
  })

  test('fails if nobody leads', async () => {
    lease({})
    expect((await stepDown()).stderr).toBe(
      "error: nobody leads agent 'one': the Lease has no holder, and no leader gave it back: somebody edited it\n",
    )
    lease({ leader: 'pod-a', standbys: ready, renewedAt: new Date(Date.now() - 80_000) })
    expect((await stepDown()).stderr).toMatch(
      /^error: nobody leads agent 'one': pod-a has not renewed the Lease for [89]\d s\n$/,
    )
    expect(patches).toEqual([])
  })

  test('fails if the leader does not hand over in time, and says that the request stays', async () => {
    lease({ leader: 'pod-a', standbys: ready })
    const asked = { 'regent.dev/step-down': identityOf('pod-a') }
    onPatch = () => lease({ leader: 'pod-a', standbys: ready, annotations: asked })
    const { code, stderr } = await stepDown()
    expect(code).toBe(1)
    expect(stderr).toBe(
      "error: pod-a still leads agent 'one' after 0.5 s: it may still drain (at most drainBudgetSeconds of its environment), and the request stays on its Lease; take it back with 'kubectl annotate lease regent-agent-one -n regent-system regent.dev/step-down-'\n",
    )
  })

  test('fails if nobody takes the Lease', async () => {
    lease({ leader: 'pod-a', standbys: ready })
    onPatch = () => lease({ annotations: { 'regent.dev/released-by': identityOf('pod-a') } })
    expect((await stepDown()).stderr).toBe(
      "error: pod-a handed over, and nobody leads agent 'one' after 0.5 s; see 'npx regent status one'\n",
    )
  })

  test('fails if the same pod leads again', async () => {
    lease({ leader: 'pod-a', epoch: '7', standbys: ready })
    onPatch = () => lease({ leader: 'pod-a', epoch: '9', standbys: [] })
    expect((await stepDown()).stderr).toBe(
      "error: pod-a leads agent 'one' again, with epoch 9: it handed over, and no standby took the Lease; see 'npx regent status one' for the standbys\n",
    )
  })

  test('an API server that fails while it is waited for does not end the wait', async () => {
    lease({ leader: 'pod-a', epoch: '7', standbys: ready })
    onPatch = () => {
      const asked = objects[path] ?? 404
      objects[path] = 500
      setTimeout(() => lease({ leader: 'pod-b', epoch: '9' }), 50)
      return asked
    }
    expect((await stepDown('--timeout-seconds', '10')).code).toBe(0)
    onPatch = () => {
      const asked = objects[path] ?? 404
      objects[path] = 500
      return asked
    }
    lease({ leader: 'pod-a', epoch: '7', standbys: ready })
    expect((await stepDown()).stderr).toBe(
      `error: no other leader of agent 'one' was seen after 0.5 s; the cluster at ${api.url} did not get Leases in regent-system: it answers with 500\n`,
    )
  })

  test('fails if the user may not, and names the verb', async () => {
    lease({ leader: 'pod-a', standbys: ready })
    onPatch = () => 403
    expect((await stepDown()).stderr).toBe(
      "error: you may not patch Leases in regent-system (403): a Role there must allow 'patch' on leases.coordination.k8s.io\n",
    )
  })

  test('fails if there is no such Lease', async () => {
    expect((await stepDown()).stderr).toContain(
      'error: no Lease regent-system/regent-agent-one: without leader election',
    )
  })
})
