import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apiRequest, type Refusal } from '../cluster/api-request.ts'
import { apply, kubectl, kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { applyEnvironment, beginRemoval, removeEnvironments } from '../delivery/environment.ts'

const system = 'regent-system'
const sessions = 'regent-sessions'
const agent = 'regent-agent-local'
/** An API server sees a changed Lease or policy within milliseconds. */
const fenceSeconds = 10
const boot = '6f1c6a52-0000-4000-8000-000000000001'

interface AgentPod {
  readonly name: string
  readonly uid: string
  readonly token: string
}
let pods: readonly AgentPod[] = []
const pod = (index: number): AgentPod => {
  const found = pods[index]
  if (found === undefined) throw new Error(`no pod ${index}`)
  return found
}

/** What the agent creates for a session, by the path that creates it. */
const objects = {
  deployments: {
    path: `/apis/apps/v1/namespaces/${sessions}/deployments`,
    body: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'session' } },
        template: {
          metadata: { labels: { app: 'session' } },
          spec: { containers: [{ name: 'session', image: 'registry.test/session:1' }] },
        },
      },
    },
  },
  services: {
    path: `/api/v1/namespaces/${sessions}/services`,
    body: { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 3000 }], selector: { app: 'session' } } },
  },
  persistentvolumeclaims: {
    path: `/api/v1/namespaces/${sessions}/persistentvolumeclaims`,
    body: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  },
  configmaps: {
    path: `/api/v1/namespaces/${sessions}/configmaps`,
    body: { apiVersion: 'v1', kind: 'ConfigMap', data: { generation: '1' } },
  },
} as const
type Resource = keyof typeof objects
const resources = Object.keys(objects) as Resource[]

const create = (resource: Resource, name: string, token: string) =>
  apiRequest<Refusal>({
    method: 'POST',
    path: objects[resource].path,
    body: { ...objects[resource].body, metadata: { name } },
    token,
  })
const label = (resource: Resource, name: string, token: string) =>
  apiRequest<Refusal>({
    method: 'PATCH',
    path: `${objects[resource].path}/${name}`,
    body: { metadata: { labels: { touched: 'yes' } } },
    token,
  })
const remove = (resource: Resource, name: string, token: string) =>
  apiRequest<Refusal>({ method: 'DELETE', path: `${objects[resource].path}/${name}`, token })

async function giveLease(holderIdentity: string): Promise<void> {
  await apply({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: agent, namespace: system },
    spec: { holderIdentity, leaseDurationSeconds: 6 },
  })
}

/** Makes an identity the holder of the Lease, and waits until the fence has seen it. */
async function holds(holderIdentity: string, seenBy: string, expected: 'admitted' | 'refused'): Promise<void> {
  await giveLease(holderIdentity)
  const answered = expected === 'admitted' ? 201 : 403
  const probe = async () => (await dryRun(seenBy)).status === answered
  await waitFor(`the fence to see that the Lease is held by '${holderIdentity}'`, probe, { seconds: fenceSeconds })
}

/** Asks whether a ConfigMap could be created, and creates none. Without a token as the administrator. */
const dryRun = (token?: string) =>
  apiRequest<Refusal>({
    method: 'POST',
    path: `${objects.configmaps.path}?dryRun=All`,
    body: { ...objects.configmaps.body, metadata: { name: 'probe' } },
    ...(token !== undefined && { token }),
  })

/** Waits until every pod of the agent is refused because of this holder, as the fence names it. */
async function untilAllAreRefusedFor(holder: string): Promise<void> {
  const areRefused = async (): Promise<boolean> => {
    const answers = await Promise.all(pods.map(({ token }) => dryRun(token)))
    return answers.every(({ status, body }) => status === 403 && body.message.includes(`is held by ${holder}, not by`))
  }
  await waitFor(`every pod to be refused for '${holder}'`, areRefused, { seconds: fenceSeconds })
}

/** What no test needs to wait for, because it will never come. */
async function mustHaveFence(): Promise<void> {
  for (const kind of ['validatingadmissionpolicies', 'validatingadmissionpolicybindings']) {
    const { status } = await apiRequest({ path: `/apis/admissionregistration.k8s.io/v1/${kind}/${agent}-fence` })
    if (status !== 200) {
      throw new Error(
        `expected ${kind}/${agent}-fence among the manifests of 'local', got ${status}: there is no fence to test; see lib/agent/admission-fence.ts`,
      )
    }
  }
}

const identityOf = ({ name, uid }: AgentPod): string => `${name}_${uid}_${boot}`

// ValidatingAdmissionPolicies are served from 1.30 on; an environment for an older cluster has no fence.
const describeFence = cluster().release === 'oldest' ? describe.skip : describe

describeFence('the admission fence', () => {
  beforeAll(async () => {
    await removeEnvironments()
    await applyEnvironment('local')
    await mustHaveFence()
    const created = await waitFor('pods of the agent', async () => {
      const { items } = await kubectlJson<{ items: { metadata: { name: string; uid: string } }[] }>([
        'get',
        'pods',
        '-n',
        system,
        '-l',
        'app.kubernetes.io/name=regent-agent',
      ])
      return items.length === 3 && items
    })
    pods = await Promise.all(
      created.map(async ({ metadata: { name, uid } }) => ({
        name,
        uid,
        token: await tokenOf(system, agent, { pod: { name, uid } }),
      })),
    )
  })
  afterAll(beginRemoval)

  test('refuses every pod of the agent while nobody has ever held the Lease, and nobody else', async () => {
    await untilAllAreRefusedFor('nobody')
    for (const { token } of pods) {
      expect(await dryRun(token)).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining('is held by nobody') as unknown },
      })
    }
    expect((await dryRun()).status).toBe(201)
  })

  test('refuses everybody while there is no Lease', async () => {
    await mustKubectl(['delete', 'lease', agent, '-n', system])
    const isMissed = async () => (await dryRun(pod(0).token)).status === 422
    await waitFor('the fence to miss the Lease', isMissed, { seconds: fenceSeconds })
    // Kubernetes looks for the parameter before it asks whom the policy is for: hence the manifests ship the Lease.
    expect(await dryRun()).toMatchObject({
      // The API server calls a missing parameter an invalid object, not a forbidden request.
      status: 422,
      body: { message: expect.stringContaining('no params found') as unknown },
    })
  })

  test.each(resources)('lets the holder create, change and delete %s', async (resource) => {
    await holds(identityOf(pod(0)), pod(0).token, 'admitted')
    expect((await create(resource, 'held', pod(0).token)).status).toBe(201)
    expect((await label(resource, 'held', pod(0).token)).status).toBe(200)
    expect((await remove(resource, 'held', pod(0).token)).status).toBe(200)
  })

  test.each(resources)('refuses to let another pod of the agent create, change or delete %s', async (resource) => {
    await holds(identityOf(pod(0)), pod(1).token, 'refused')
    expect((await create(resource, 'kept', pod(0).token)).status).toBe(201)
    for (const answer of [
      await create(resource, 'stale', pod(1).token),
      await label(resource, 'kept', pod(1).token),
      await remove(resource, 'kept', pod(1).token),
    ]) {
      expect(answer.status).toBe(403)
      expect(answer.body.message).toContain(`fenced: the Lease ${agent} is held by ${pod(0).name}`)
    }
    const { items } = await kubectlJson<{ items: { metadata: { name: string; labels?: object } }[] }>([
      'get',
      resource,
      '-n',
      sessions,
    ])
    expect(items.find(({ metadata }) => metadata.name === 'kept')?.metadata.labels).toBeUndefined()
    expect(items.some(({ metadata }) => metadata.name === 'stale')).toBe(false)
    expect((await remove(resource, 'kept', pod(0).token)).status).toBe(200)
  })

  test('follows a takeover: the new holder may write and the old one may not', async () => {
    await holds(identityOf(pod(2)), pod(2).token, 'admitted')
    expect((await create('configmaps', 'by-the-new', pod(2).token)).status).toBe(201)
    expect((await create('configmaps', 'by-the-old', pod(0).token)).status).toBe(403)
    expect((await remove('configmaps', 'by-the-new', pod(2).token)).status).toBe(200)
  })

  test.each([
    ['nobody', ''],
    ['a name without pod and boot', 'somebody'],
    ['a holder with the pod in the wrong place', 'boot_name_uid'],
  ])('refuses everybody when the Lease is held by %s', async (_, holderIdentity) => {
    await giveLease(holderIdentity)
    // The pod that held it before is refused last.
    await untilAllAreRefusedFor(holderIdentity.split('_')[0] ?? '')
    for (const { token } of pods) expect((await create('configmaps', 'nobodys', token)).status).toBe(403)
  })

  test('refuses a token of the agent that is bound to no pod', async () => {
    await holds(identityOf(pod(0)), pod(0).token, 'admitted')
    const answer = await create('configmaps', 'unbound', await tokenOf(system, agent))
    expect(answer).toMatchObject({ status: 403, body: { message: expect.stringContaining('fenced') as unknown } })
  })

  test('is about the agent alone', async () => {
    await mustKubectl(['create', 'configmap', 'by-a-person', '-n', sessions])
    await mustKubectl(['delete', 'configmap', 'by-a-person', '-n', sessions])
    // What a controller makes of an agent's object is the controller's.
    expect((await kubectl(['get', 'configmap', 'kube-root-ca.crt', '-n', sessions])).exitCode).toBe(0)
  })
})
