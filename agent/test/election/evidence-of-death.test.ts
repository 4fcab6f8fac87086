import { afterEach, expect, test } from '@jest/globals'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { electionProfiles } from '@regent/contract/election.ts'
import { EvidenceOfDeath } from '../../src/election/evidence-of-death.ts'
import { identityText } from '../../src/election/identity.ts'
import { type LeaseRecord, parseLease } from '../../src/election/lease-record.ts'
import { SharedDeadline } from '../../src/election/shared-deadline.ts'
import type { Input } from '../../src/election/state.ts'
import { fakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const me = { pod: 'pod-a', podUid: 'uid-a', boot: 'boot-a' }
const leader = { pod: 'pod-b', podUid: 'uid-b', boot: 'boot-b' }
const startedAt = '2026-01-02T12:00:00Z'

interface PodProps {
  /** Of its container. */
  readonly id: string
  readonly hasEnded?: boolean
  readonly createdAt?: string
  readonly isDeleting?: boolean
}

function pod({ pod: name, podUid: uid }: typeof me, revision: string, about: PodProps): object {
  const { id, hasEnded = false, createdAt = startedAt, isDeleting = false } = about
  const state = hasEnded ? { terminated: { containerID: id, exitCode: 137 } } : { running: { startedAt } }
  return {
    metadata: {
      ...{ uid, name, resourceVersion: '6', creationTimestamp: createdAt, labels: { 'pod-template-hash': revision } },
      ...(isDeleting && { deletionTimestamp: createdAt }),
    },
    status: { containerStatuses: [{ name: 'agent', containerID: id, state }] },
  }
}

/** Evidence of the pods alone, with all that it told the machine, and with the watch of the pods to write into. */
async function evidence(
  pods: readonly object[],
  port = 0,
): Promise<{
  readonly evidence: EvidenceOfDeath
  readonly inputs: readonly Input[]
  readonly notices: readonly string[]
  /** Resolves once these inputs of a type were told. */
  readonly told: (type: Input['type'], count?: number) => Promise<readonly Input[]>
  /** Tells of a pod by the watch, once that is open. */
  readonly change: (object: object) => Promise<void>
}> {
  const watch = Promise.withResolvers<ServerResponse>()
  const server = await fakeApiServer((request, response) => {
    if (request.url?.includes('watch=1') === true) {
      response.writeHead(200).flushHeaders()
      watch.resolve(response)
    } else response.end(JSON.stringify({ kind: 'PodList', metadata: { resourceVersion: '5' }, items: pods }))
  })
  const found = new EvidenceOfDeath({
    machine: {
      identity: me,
      leaseName: 'lease',
      leaseNamespace: 'ours',
      timing: electionProfiles.fast,
      drainBudgetSeconds: 1,
      node: 'node',
      mayRetakeAtOnce: true,
    },
    agentId: 'local',
    api: server.api,
    listen: { address: '127.0.0.1', port },
    evidence: { peers: false, pods: true },
    podSelector: 'app=agent',
    processStartedAtMs: Date.parse(startedAt),
    deadline: new SharedDeadline().buffer,
  })
  closing.push(
    () => server.close(),
    () => found.close(),
  )
  const inputs: Input[] = []
  const notices: string[] = []
  found.on('notice', (_, event) => notices.push(event))
  const waiting = new Set<() => void>()
  found.on('input', (input) => {
    inputs.push(input)
    for (const look of waiting) look()
  })
  found.start()
  return {
    evidence: found,
    inputs,
    notices,
    told: (type, count = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = inputs.filter((input) => input.type === type)
          if (found.length >= count) resolve(found)
        }
        waiting.add(look)
        look()
      }),
    change: async (object) => void (await watch.promise).write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`),
  }
}

function heldBy(holder: typeof me, container: string): LeaseRecord {
  const annotations = { [leaseAnnotations.container]: container }
  const lease = parseLease({
    metadata: { resourceVersion: '7', annotations },
    spec: { holderIdentity: identityText(holder) },
  })
  if (lease === undefined) throw new Error('no Lease')
  return lease
}

const mine = pod(me, 'old', { id: 'c-a' })

test('a leader whose container is reported terminated is dead, although this replica knows its own', async () => {
  const { evidence: found, told, inputs, change } = await evidence([mine, pod(leader, 'old', { id: 'c-b' })])
  expect(await told('container')).toEqual([{ type: 'container', id: 'c-a' }])
  found.follow(heldBy(leader, 'c-b'), false)
  expect(inputs.some(({ type }) => type === 'death')).toBe(false)
  await change(pod(leader, 'old', { id: 'c-b', hasEnded: true }))
  expect(await told('death')).toMatchObject([{ holder: identityText(leader), by: 'pod' }])
})

test('the report may come before the Lease tells of that container', async () => {
  const { evidence: found, told } = await evidence([mine, pod(leader, 'old', { id: 'c-b', hasEnded: true })])
  await told('container')
  found.follow(heldBy(leader, 'c-b'), false)
  expect(await told('death')).toMatchObject([{ holder: identityText(leader), by: 'pod' }])
})

test('the end of another container of the leader is no evidence', async () => {
  const { evidence: found, told, inputs } = await evidence([mine, pod(leader, 'old', { id: 'c-0', hasEnded: true })])
  await told('container')
  found.follow(heldBy(leader, 'c-b'), false)
  expect(inputs.filter(({ type }) => type === 'death')).toEqual([])
})

test('a pod of an older revision knows that it is one, and when it is not any more', async () => {
  const newer = { id: 'c-b', createdAt: '2026-01-02T13:00:00Z' }
  const { told, change } = await evidence([mine, pod(leader, 'new', newer)])
  expect(await told('revision')).toEqual([{ type: 'revision', isNewest: false }])
  await change(pod(leader, 'new', { ...newer, isDeleting: true }))
  expect((await told('revision', 2))[1]).toEqual({ type: 'revision', isNewest: true })
})

test('a port for peers that is taken is opened once it is free, and only then standbys are told of it', async () => {
  const taker = createServer().listen(0, '127.0.0.1')
  await once(taker, 'listening')
  const { port } = taker.address() as AddressInfo
  const { evidence: found, inputs, told, notices } = await evidence([], port)
  await once(found, 'notice')
  expect(inputs.some(({ type }) => type === 'listening')).toBe(false)
  taker.close()
  expect(await told('listening')).toHaveLength(1)
  expect(notices).toEqual(['peer-port-failed', 'peer-port-opened'])
})
