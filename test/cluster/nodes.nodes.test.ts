import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { binary } from './binaries.ts'
import { etcdImage, importImage } from './images.ts'
import { apply, kubectl, kubectlJson, mustKubectl } from './kubectl.ts'
import { createNamespace, deleteNamespace } from './namespace.ts'
import { cutNetwork, evict, killKubelet, restoreNetwork, startKubelet, waitForNode } from './node-operations.ts'
import { cluster, type NodeState } from './state.ts'
import { waitFor } from './wait-for.ts'

const PROBE = 'localhost/probe:1'
let namespace = ''
beforeAll(async () => {
  namespace = await createNamespace('nodes')
  await importImage(cluster(), { reference: PROBE, files: { '/probe': await binary('probe') }, entrypoint: ['/probe'] })
})
afterAll(() => deleteNamespace(namespace))

const secure = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true }
const user = { runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } }

interface PodOptions {
  readonly volume?: object
  readonly spec?: object
  readonly container?: object
}

function pod(name: string, { volume = { emptyDir: {} }, spec = {}, container = {} }: PodOptions = {}): object {
  const http = { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      securityContext: user,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: PROBE,
          args: ['serve', ':8080'],
          ports: [{ name: 'http', containerPort: 8080 }],
          startupProbe: http,
          readinessProbe: http,
          livenessProbe: http,
          securityContext: secure,
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
          ...container,
        },
      ],
      volumes: [{ name: 'data', ...volume }],
      ...spec,
    },
  }
}

async function ready(name: string): Promise<void> {
  await mustKubectl(['wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s', `--namespace=${namespace}`], {
    seconds: 70,
  })
}

async function inPod(name: string, ...command: string[]): Promise<string> {
  return (await mustKubectl(['exec', name, `--namespace=${namespace}`, '--', ...command])).trim()
}

function nodes(): readonly [NodeState, NodeState] {
  const [first, second] = cluster().nodes
  if (first === undefined || second === undefined) throw new Error('these tests need two nodes')
  return [first, second]
}

describe('pods on two nodes', () => {
  beforeAll(async () => {
    const [first, second] = nodes()
    const metadata = { name: 'server', namespace }
    await apply([
      pod('server', { spec: { nodeName: first.name } }),
      pod('client', { spec: { nodeName: second.name } }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'http' }] },
      },
    ])
    await Promise.all([ready('server'), ready('client')])
  })

  test('reach a Service on the other node by its name', async () => {
    const url = `http://server.${namespace}.svc.cluster.local`
    const answer = await waitFor('answer of the Service', () => inPod('client', '/probe', 'get', url), { seconds: 20 })
    expect(answer).toBe('server')
  })

  test('write to an emptyDir without being root', async () => {
    await inPod('server', '/probe', 'write', '/data/file', 'written')
    expect(await inPod('server', '/probe', 'read', '/data/file')).toBe('written')
    const denied = await kubectl(['exec', 'server', `-n${namespace}`, '--', '/probe', 'write', '/file', 'x'])
    expect(denied.stderr).toContain('read-only file system')
  })

  test('resolve the API server, and reach nothing outside', async () => {
    expect(await inPod('client', '/probe', 'lookup', 'kubernetes.default.svc.cluster.local')).toBe('10.96.0.1')
    const out = await kubectl(['exec', 'client', `-n${namespace}`, '--', '/probe', 'get', 'http://192.0.2.1'])
    expect(out.stderr).toMatch(/no route to host|deadline exceeded/)
  })

  test('are evicted unless their disruption budget forbids it', async () => {
    const labels = { matchLabels: { app: 'server' } }
    const metadata = { name: 'server', namespace }
    await apply({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      spec: { maxUnavailable: 0, selector: labels },
    })
    await waitFor('observed budget', async () => {
      const { status } = await kubectlJson<{ status: { observedGeneration?: number } }>([
        'get',
        'pdb/server',
        `-n${namespace}`,
      ])
      return status.observedGeneration === 1
    })
    expect(await evict(namespace, 'server')).toBe(429)
    expect(await evict(namespace, 'client')).toBe(201)
  })
})

test('a claim without a class is bound, and a program that is not root writes to a folder in it', async () => {
  const metadata = { name: 'claim', namespace }
  const resources = { requests: { storage: '100Gi' } }
  await apply([
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: { accessModes: ['ReadWriteOnce'], resources } },
    pod('writer', { volume: { persistentVolumeClaim: { claimName: 'claim' } } }),
  ])
  await ready('writer')
  await inPod('writer', '/probe', 'write', '/data/folder/file', 'kept')
  await mustKubectl(['delete', 'pod', 'writer', `--namespace=${namespace}`])
  await apply(pod('reader', { volume: { persistentVolumeClaim: { claimName: 'claim' } } }))
  await ready('reader')
  expect(await inPod('reader', '/probe', 'read', '/data/folder/file')).toBe('kept')
})

test("etcd runs under its publisher's name, also with the publisher's digest behind it", async () => {
  const digest = `sha256:${'ab'.repeat(32)}`
  const image = await etcdImage()
  const pinned = `${image.reference}@${digest}`
  await importImage(cluster(), { ...image, reference: pinned })
  const container = {
    image: pinned,
    command: ['etcd', '--data-dir=/data/etcd'],
    args: [],
    startupProbe: null,
    livenessProbe: null,
    readinessProbe: { exec: { command: ['etcdctl', 'endpoint', 'health'] }, periodSeconds: 1 },
  }
  await apply(pod('etcd', { container }))
  await ready('etcd')
  await inPod('etcd', 'etcdctl', 'put', 'key', 'value')
  expect(await inPod('etcd', 'etcdctl', 'get', 'key', '--print-value-only')).toBe('value')
})

describe('a node', () => {
  test('whose cable is cut is lost, and comes back with it', async () => {
    const [, second] = nodes()
    await cutNetwork(second)
    await waitForNode(second, 'Ready=Unknown')
    await restoreNetwork(second)
    await waitForNode(second, 'Ready=True')
  })

  test('whose kubelet was killed is lost, and comes back with it', async () => {
    const [, second] = nodes()
    await killKubelet(second)
    await waitForNode(second, 'Ready=Unknown')
    startKubelet(second)
    await waitForNode(second, 'Ready=True')
  })
})
