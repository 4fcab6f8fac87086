import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import { createNamespace, deleteNamespace } from '../../../test/cluster/namespace.ts'
import { isTerminated, newestTemplateHash, ownContainer, type Pod } from '../../src/election/pods.ts'
import { PodsWatch } from '../../src/election/pods-watch.ts'
import { asServiceAccount, type AsServiceAccount } from './real-api-server.ts'

let namespace = ''
let reader: AsServiceAccount
beforeAll(async () => {
  namespace = await createNamespace('pods')
  reader = await asServiceAccount(namespace, 'reader', [
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
  ])
})
const closing: (() => unknown)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})
afterAll(async () => {
  reader.remove()
  await deleteNamespace(namespace)
})

function watchOf(as: AsServiceAccount, app: string): PodsWatch {
  const watch = new PodsWatch(as.api, { namespace, labelSelector: `app=${app}` })
  closing.push(() => watch.close())
  return watch
}

async function create(name: string, app: string): Promise<string> {
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 65532,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const { status, body } = await apiRequest<{ metadata: { uid: string } }>({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods`,
    body: {
      metadata: { name, labels: { app, 'pod-template-hash': `hash-of-${name}` } },
      spec: {
        // Nothing but this test may report on its containers.
        schedulerName: 'nobody',
        containers: [{ name: 'agent', image: 'none', securityContext }],
      },
    },
  })
  expect(status).toBe(201)
  return body.metadata.uid
}

/** What a kubelet would report. */
async function report(name: string, status: object): Promise<void> {
  const answer = await apiRequest({
    method: 'PATCH',
    path: `/api/v1/namespaces/${namespace}/pods/${name}/status`,
    body: {
      status: {
        containerStatuses: [{ name: 'agent', image: 'none', imageID: '', ready: false, restartCount: 0, ...status }],
      },
    },
  })
  expect(answer.status).toBe(200)
}

/** The pods, once this holds of them. */
async function untilPods(watch: PodsWatch, holds: (pods: readonly Pod[]) => boolean): Promise<readonly Pod[]> {
  while (!holds([...watch.pods])) await once(watch, 'changed')
  return [...watch.pods]
}

const one = 'containerd://one'
const two = 'containerd://two'

describe('the pods of an agent', () => {
  test('are told from those of others, with the end of each container and what comes after it', async () => {
    const uid = await create('leader', 'mine')
    await create('stranger', 'other')
    const watch = watchOf(reader, 'mine')
    watch.start()
    await untilPods(watch, (pods) => pods.length === 1)
    expect(newestTemplateHash(watch.pods)).toBe('hash-of-leader')

    const startedAt = '2026-01-02T12:00:00Z'
    await report('leader', { containerID: one, state: { running: { startedAt } } })
    await untilPods(watch, ([pod]) => pod?.container?.id === one)
    expect(ownContainer(watch.pods, uid, Date.parse(startedAt) + 500)).toBe(one)
    expect(isTerminated(watch.pods, uid, one)).toBe(false)

    const terminated = { containerID: one, exitCode: 137, reason: 'OOMKilled', startedAt, finishedAt: startedAt }
    await report('leader', { containerID: one, state: { terminated } })
    await untilPods(watch, (pods) => isTerminated(pods, uid, one))
    expect(ownContainer(watch.pods, uid, Date.parse(startedAt) + 500)).toBeUndefined()

    const later = { containerID: two, state: { running: { startedAt } }, lastState: { terminated } }
    await report('leader', later)
    await untilPods(watch, ([pod]) => pod?.container?.id === two)
    expect(isTerminated(watch.pods, uid, one)).toBe(true)
    expect(isTerminated(watch.pods, uid, two)).toBe(false)
  })

  test('prove nothing when one is deleted by force', async () => {
    const uid = await create('deleted', 'force')
    await report('deleted', { containerID: one, state: { running: { startedAt: '2026-01-02T12:00:00Z' } } })
    const watch = watchOf(reader, 'force')
    watch.start()
    await untilPods(watch, (pods) => pods.length === 1)
    const path = `/api/v1/namespaces/${namespace}/pods/deleted`
    await apiRequest({ method: 'DELETE', path, body: { gracePeriodSeconds: 0 } })
    await untilPods(watch, (pods) => pods.length === 0)
    expect(isTerminated(watch.pods, uid, one)).toBe(false)
  })

  test('that are more than one page are all known', async () => {
    await Promise.all(Array.from({ length: 55 }, (_, index) => create(`many-${index}`, 'many')))
    const watch = watchOf(reader, 'many')
    watch.start()
    expect(await untilPods(watch, (pods) => pods.length > 0)).toHaveLength(55)
  })

  test('are an obstacle without the permission, in words that name it', async () => {
    const stranger = await asServiceAccount(namespace, 'stranger', [])
    closing.push(() => stranger.remove())
    const watch = watchOf(stranger, 'mine')
    watch.start()
    const [why] = (await once(watch, 'obstacle')) as [string]
    expect(why).toContain('cannot list resource "pods"')
    expect(why).toContain("the agent's Role must allow list and watch of pods")
  })
})
