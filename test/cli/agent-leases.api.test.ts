import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { type AgentLeases, agentLeases } from '../../cli/agent-leases.ts'
import { connectionTo } from '../../cli/cluster-connection.ts'
import { handOver } from '../../cli/hand-over.ts'
import { apiRequest } from '../cluster/api-request.ts'
import { apply, kubectl, mustKubectl } from '../cluster/kubectl.ts'
import { createNamespace, deleteNamespace } from '../cluster/namespace.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { identityOf, type LeaseProps, leaseObject } from './lease.ts'

let namespace = ''
let leases: AgentLeases
let folder = ''

beforeAll(async () => {
  namespace = await createNamespace('leases')
  leases = agentLeases(await connectionTo({ kubeconfig: cluster().kubeconfig }), namespace)
  folder = mkdtempSync(join(tmpdir(), 'regent-leases-'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await deleteNamespace(namespace)
})

const pathOf = (agent: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/regent-agent-${agent}`

/** Writes a Lease as a leader does: whole, over what is there. */
async function write(props: LeaseProps): Promise<void> {
  const { status, body } = await apiRequest<{ metadata: { resourceVersion: string } }>({ path: pathOf(props.agent) })
  const answer = await apiRequest(
    status === 404
      ? { method: 'POST', path: pathOf(props.agent).replace(/\/[^/]+$/, ''), body: leaseObject(props) }
      : {
          method: 'PUT',
          path: pathOf(props.agent),
          body: leaseObject({ ...props, resourceVersion: body.metadata.resourceVersion }),
        },
  )
  expect(answer.status).toBeLessThan(300)
}

describe('the Leases of a real cluster', () => {
  test('are read with what a leader wrote, and listed without those of others', async () => {
    const renewedAt = new Date()
    await write({ agent: 'read', leader: 'pod-a', renewedAt, annotations: { 'regent.dev/node': 'node-a' } })
    await apply({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'stranger', namespace } })
    const lease = await leases.read('regent-agent-read')
    expect(lease).toMatchObject({ holder: identityOf('pod-a'), durationSeconds: 60, renewedAt })
    expect(lease?.annotations['regent.dev/node']).toBe('node-a')
    expect(await leases.list()).toEqual([lease])
    expect(await leases.read('regent-agent-nobody')).toBeUndefined()
    expect(await leases.zoneOf('no-such-node')).toBeUndefined()
  })

  test('are annotated only as they were read', async () => {
    await write({ agent: 'annotated', leader: 'pod-a' })
    const read = await leases.read('regent-agent-annotated')
    if (read === undefined) throw new Error('expected a Lease')
    expect(await leases.annotate(read, leaseAnnotations.stepDown, 'one')).toBe(true)
    expect(await leases.annotate(read, leaseAnnotations.stepDown, 'another')).toBe(false)
    expect((await leases.read(read.name))?.annotations).toEqual({
      ...read.annotations,
      [leaseAnnotations.stepDown]: 'one',
    })
    await mustKubectl(['delete', 'lease', read.name, '-n', namespace])
    expect(await leases.annotate(read, leaseAnnotations.stepDown, 'gone')).toBe(false)
  })

  test('are refused to who may not, with the verb and what the Role must allow', async () => {
    await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'stranger', namespace } })
    const token = await tokenOf(namespace, 'stranger')
    const server = await mustKubectl(['config', 'view', '--minify', '--raw', '-o', 'jsonpath={.clusters[0].cluster}'])
    const kubeconfig = join(folder, 'stranger')
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'one', cluster: JSON.parse(server) as object }],
        users: [{ name: 'one', user: { token } }],
        contexts: [{ name: 'one', context: { cluster: 'one', user: 'one' } }],
        'current-context': 'one',
      }),
    )
    const theirs = agentLeases(await connectionTo({ kubeconfig }), namespace)
    const message = (verb: string) => `a Role there must allow '${verb}' on leases.coordination.k8s.io`
    await expect(theirs.list()).rejects.toThrow(message('list'))
    await expect(theirs.read('regent-agent-any')).rejects.toThrow(message('get'))
    const lease = { ...(await readOne('refused')), name: 'regent-agent-refused' }
    await expect(theirs.annotate(lease, leaseAnnotations.stepDown, 'x')).rejects.toThrow(message('patch'))
    expect((await kubectl(['get', 'leases', '-n', namespace], { token })).exitCode).not.toBe(0)
  })
})

async function readOne(agent: string) {
  await write({ agent, leader: 'pod-a' })
  const lease = await leases.read(`regent-agent-${agent}`)
  if (lease === undefined) throw new Error('expected a Lease')
  return lease
}

test('a leader hands over on request, while it renews', async () => {
  const agent = 'handed'
  const standbys = [{ pod: 'pod-b', ready: true }]
  await write({ agent, leader: 'pod-a', epoch: '1', standbys })
  const leader = waitFor('request on the Lease', async () => {
    const lease = await leases.read(`regent-agent-${agent}`)
    return lease?.annotations[leaseAnnotations.stepDown] === identityOf('pod-a')
  })
  const asked = handOver(leases, agent, { force: false, timeoutSeconds: 30, time: () => Date.now() })
  await leader
  // It keeps leading until its work has ended: a renewal with the request still on it is no hand-over.
  await write({ agent, leader: 'pod-a', epoch: '1', standbys })
  await write({ agent, epoch: '1', annotations: { [leaseAnnotations.releasedBy]: identityOf('pod-a') } })
  await write({ agent, leader: 'pod-b', epoch: '2' })
  expect(await asked).toMatchObject({ agent, from: 'pod-a', to: 'pod-b', epoch: '2' })
})
