import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { checkRequirement } from '../../cli/check-requirement.ts'
import { type ClusterView, connect, Unanswered } from '../../cli/cluster-view.ts'
import { Refusal, UsageError } from '../../cli/errors.ts'
import { requirementName, requirementsOf } from '../../cli/requirements.ts'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { productionUsEast1 } from '../../environments/production-us-east-1.ts'
import type { Layer } from '../../lib/config/layer.ts'
import { readImageLock } from '../../lib/images/lock.ts'
import type { ExternalProps } from '../../lib/output/external.ts'
import { ManifestIndex } from '../../lib/output/manifest-index.ts'
import { render } from '../../lib/render.ts'
import { ApiServer } from './api-server.ts'
import { Session } from './program.ts'

function linesOf(layer: Layer): readonly string[] {
  const { environment, index } = render(layer, readImageLock())
  if (environment === undefined || index === undefined) throw new Error('expected a valid environment')
  return requirementsOf(environment, index).map((one) => `${one.kind}: ${requirementName(one)}`)
}

describe('what an environment requires', () => {
  test('is Kubernetes and a default StorageClass for dev and local', () => {
    expect(linesOf(dev)).toEqual(['Kubernetes: 1.30 or newer', 'DefaultStorageClass: any'])
    expect(linesOf(local)).toEqual([
      'Kubernetes: 1.30 or newer',
      'Nodes: 3 that pods can be scheduled on',
      'DefaultStorageClass: any',
    ])
  })

  test('is everything that others provide for production', () => {
    const tls = '(tls.crt, tls.key, ca.crt)'
    expect(linesOf(productionUsEast1)).toEqual([
      'Kubernetes: 1.33 or newer',
      'Nodes: 9 that pods can be scheduled on',
      'Zones: us-east-1a, us-east-1b, us-east-1c',
      'APIService: v1beta1.metrics.k8s.io',
      'CSIDriver: ebs.csi.aws.com',
      `Secret: regent-system/regent-consensus-client-tls ${tls}`,
      `Secret: regent-system/regent-consensus-peer-tls ${tls}`,
      `Secret: regent-system/regent-consensus-root-tls ${tls}`,
      `Secret: regent-system/regent-consensus-server-tls ${tls}`,
      `Secret: regent-system/regent-control-plane-tls ${tls}`,
    ])
  })

  test('names an object once that several need, with all its keys', () => {
    const { environment } = render(dev, readImageLock())
    if (environment === undefined) throw new Error('expected a valid environment')
    const secret = { kind: 'Secret', namespace: 'a', name: 's' } as const
    const externals: readonly ExternalProps[] = [
      { ...secret, keys: ['x', 'y'], purpose: 'one' },
      { ...secret, keys: ['y', 'z'], purpose: 'another' },
      { ...secret, namespace: 'b', purpose: 'elsewhere' },
    ]
    const index = new ManifestIndex('dev', environment.cluster, [], externals)
    expect(requirementsOf(environment, index).slice(1)).toEqual([
      { ...secret, keys: ['x', 'y', 'z'], purpose: 'one; another' },
      { ...secret, namespace: 'b', purpose: 'elsewhere' },
    ])
  })
})

describe('a requirement', () => {
  const cluster: ClusterView = {
    version: { major: 1, minor: 30, text: 'v1.30.4-eks' },
    schedulableNodes: () =>
      Promise.resolve([
        { name: 'a', zone: 'z1' },
        { name: 'b', zone: undefined },
      ]),
    secretKeys: (namespace, name) => Promise.resolve(`${namespace}/${name}` === 'n/s' ? ['x'] : undefined),
    storageClasses: () => Promise.resolve([{ name: 'fast', isDefault: false }]),
    hasCsiDriver: (name) => Promise.resolve(name === 'driver'),
    apiService: (name) =>
      Promise.resolve(name === 'up' ? 'available' : name === 'down' ? 'not available' : 'not registered'),
  }
  const purpose = 'a test'

  test.each([
    [{ kind: 'Kubernetes', minimumVersion: '1.30', purpose }, 'met', 'the cluster runs v1.30.4-eks'],
    [{ kind: 'Kubernetes', minimumVersion: '1.28', purpose }, 'met', 'the cluster runs v1.30.4-eks'],
    [{ kind: 'Kubernetes', minimumVersion: '1.31', purpose }, 'not met', 'the cluster runs v1.30.4-eks'],
    [{ kind: 'Nodes', count: 2, purpose }, 'met', 'pods can be scheduled on 2'],
    [{ kind: 'Nodes', count: 3, purpose }, 'not met', 'pods can be scheduled on 2'],
    [{ kind: 'Zones', zones: ['z1'], purpose }, 'met', 'each has a node'],
    [{ kind: 'Zones', zones: ['z1', 'z2', 'z3'], purpose }, 'not met', 'no node in z2, z3'],
    [{ kind: 'Secret', namespace: 'n', name: 's', keys: ['x'], purpose }, 'met', 'it is there'],
    [{ kind: 'Secret', namespace: 'n', name: 's', keys: ['x', 'y'], purpose }, 'not met', 'it lacks y'],
    [{ kind: 'Secret', namespace: 'n', name: 't', purpose }, 'not met', 'there is no such Secret'],
    [{ kind: 'StorageClass', name: 'fast', purpose }, 'met', 'it is there'],
    [{ kind: 'StorageClass', name: 'slow', purpose }, 'not met', 'it is not there'],
    [{ kind: 'DefaultStorageClass', name: 'default', purpose }, 'not met', 'no StorageClass is the default'],
    [{ kind: 'CSIDriver', name: 'driver', purpose }, 'met', 'it is there'],
    [{ kind: 'CSIDriver', name: 'other', purpose }, 'not met', 'it is not there'],
    [{ kind: 'APIService', name: 'up', purpose }, 'met', 'it is served'],
    [{ kind: 'APIService', name: 'down', purpose }, 'not met', 'it is not available'],
    [{ kind: 'APIService', name: 'gone', purpose }, 'not met', 'it is not registered'],
  ] as const)('%j is %s', async (requirement, status, why) => {
    expect(await checkRequirement(requirement, cluster)).toEqual({ status, why })
  })
})

describe('requires', () => {
  const session = new Session()
  afterAll(() => session.end())
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regent-requires-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const node = (name: string, zone: string, spec: object = {}) => ({
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
    spec,
  })
  const secret = (...keys: string[]) => ({ data: Object.fromEntries(keys.map((key) => [key, 'aHVudGVyMg=='])) })
  const secrets = '/api/v1/namespaces/regent-system/secrets'

  test('prints a table', async () => {
    const table = await session.regent('requires', 'dev')
    expect(table).toMatchObject({ code: 0, stderr: '' })
    expect(table.stdout).toMatch(
      /^KIND +NAME +NEEDED FOR\nKubernetes +1\.30 or newer +\S.*\nDefaultStorageClass +any +volumes of etcd\n$/,
    )
  })

  test('--check asks the cluster for each, fails if one is missing or unknown, and shows no secret', async () => {
    const tainted = { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] }
    const api = await ApiServer.start({
      '/version': { major: '1', minor: '33+', gitVersion: 'v1.33.2-eks' },
      '/api/v1/nodes': {
        items: [
          node('a', 'us-east-1a'),
          node('b', 'us-east-1b', { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }),
          node('c', 'us-east-1c', tainted),
          node('d', 'us-east-1c', { unschedulable: true }),
        ],
      },
      [`${secrets}/regent-consensus-client-tls`]: secret('tls.crt', 'tls.key', 'ca.crt'),
      [`${secrets}/regent-consensus-peer-tls`]: secret('tls.crt'),
      [`${secrets}/regent-consensus-server-tls`]: 403,
      '/apis/storage.k8s.io/v1/csidrivers/ebs.csi.aws.com': { metadata: { name: 'ebs.csi.aws.com' } },
      '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io': {
        status: { conditions: [{ type: 'Available', status: 'False' }] },
      },
    })
    const kubeconfig = api.kubeconfig(folder)
    try {
      const { code, stdout, stderr } = await session.regent(
        'requires',
        'staging',
        '--check',
        '--kubeconfig',
        kubeconfig,
        '--json',
      )
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
      const found = JSON.parse(stdout) as { kind: string; name?: string; status: string; why: string }[]
      expect(found.map(({ kind, name, status, why }) => [name ?? kind, status, why])).toEqual([
        ['Kubernetes', 'met', 'the cluster runs v1.33.2-eks'],
        ['Nodes', 'not met', 'pods can be scheduled on 2'],
        ['Zones', 'not met', 'no node in us-east-1c'],
        ['v1beta1.metrics.k8s.io', 'not met', 'it is not available'],
        ['ebs.csi.aws.com', 'met', 'it is there'],
        ['regent-consensus-client-tls', 'met', 'it is there'],
        ['regent-consensus-peer-tls', 'not met', 'it lacks tls.key, ca.crt'],
        ['regent-consensus-root-tls', 'not met', 'there is no such Secret'],
        [
          'regent-consensus-server-tls',
          'unknown',
          'Secret regent-system/regent-consensus-server-tls: the user may not read it (403)',
        ],
        ['regent-control-plane-tls', 'not met', 'there is no such Secret'],
      ])
      expect(stdout).not.toMatch(/hunter2|aHVudGVyMg|top secret|let-me-in/)
      expect(api.asked.filter((path) => path.startsWith('/api/v1/nodes'))).toHaveLength(1)
    } finally {
      await api.stop()
    }
  }, 20_000)

  test('--check succeeds on a cluster that has everything', async () => {
    const api = await ApiServer.start({
      '/version': { major: '1', minor: '30', gitVersion: 'v1.30.0' },
      '/apis/storage.k8s.io/v1/storageclasses': {
        items: [
          { metadata: { name: 'slow' } },
          { metadata: { name: 'gp3', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } },
        ],
      },
    })
    try {
      const checked = await session.regent('requires', 'dev', '--check', '--kubeconfig', api.kubeconfig(folder))
      expect(checked).toMatchObject({ code: 0, stderr: '' })
      expect(checked.stdout).toMatch(
        /^KIND +NAME +STATUS +WHY +NEEDED FOR\nKubernetes +1\.30 or newer +met +the cluster runs v1\.30\.0 /,
      )
      expect(checked.stdout).toMatch(/\nDefaultStorageClass +any +met +it is gp3 +volumes of etcd\n$/)
    } finally {
      await api.stop()
    }
  })

  test('a cluster without --check is a mistake in usage', async () => {
    const { code, stderr } = await session.regent('requires', 'dev', '--context', 'admin')
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'error: --kubeconfig and --context say which cluster to ask: add --check\n',
    })
  })
})

describe('connecting to a cluster', () => {
  const { HOME, KUBECONFIG } = process.env
  let folder = ''
  let api: ApiServer
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regent-connect-'))
    api = await ApiServer.start({
      '/version': { major: '1', minor: '30', gitVersion: 'v1.30.0' },
      '/api/v1/nodes': 500,
    })
    process.env['HOME'] = folder
    delete process.env['KUBECONFIG']
  })
  afterAll(async () => {
    await api.stop()
    rmSync(folder, { recursive: true })
    Object.assign(process.env, { HOME, ...(KUBECONFIG !== undefined && { KUBECONFIG }) })
  })

  test('fails if there is no kubeconfig', async () => {
    await expect(connect({})).rejects.toThrow(
      /^error: no cluster: name a kubeconfig by --kubeconfig or KUBECONFIG, and a context by --context$/,
    )
  })

  test('fails if the kubeconfig cannot be read', async () => {
    await expect(connect({ kubeconfig: '/nonexistent/kubeconfig' })).rejects.toThrow(
      /^error: \/nonexistent\/kubeconfig cannot be read as a kubeconfig: ENOENT/,
    )
  })

  test('fails if the kubeconfig is none', async () => {
    const file = join(folder, 'text')
    writeFileSync(file, '{')
    await expect(connect({ kubeconfig: file })).rejects.toThrow(/^error: .*\/text cannot be read as a kubeconfig: /)
  })

  test('fails if the context is unknown', async () => {
    const unknown = connect({ kubeconfig: api.kubeconfig(folder), context: 'admn' })
    await expect(unknown).rejects.toThrow(UsageError)
    await expect(unknown).rejects.toThrow("unknown context 'admn', did you mean 'admin'?")
  })

  test('fails if the cluster refuses the user', async () => {
    await expect(connect({ kubeconfig: api.kubeconfig(folder), context: 'stranger' })).rejects.toThrow(
      new Refusal([`error: the cluster at ${api.url} cannot be asked: it refuses the credentials (401)`]),
    )
  })

  test('fails if the cluster cannot be reached', async () => {
    const gone = await ApiServer.start({})
    await gone.stop()
    await expect(connect({ kubeconfig: gone.kubeconfig(folder) })).rejects.toThrow(
      /^error: the cluster at http:\/\/127\.0\.0\.1:[0-9]+ cannot be asked: connect ECONNREFUSED/,
    )
  })

  test('fails if the cluster does not answer in time', async () => {
    const silent = await ApiServer.start({ '/version': 0 })
    try {
      await expect(connect({ kubeconfig: silent.kubeconfig(folder) }, 100)).rejects.toThrow(
        `error: the cluster at ${silent.url} cannot be asked: no answer in time`,
      )
    } finally {
      await silent.stop()
    }
  })

  test('says which question is not answered, and nothing of what the answer held', async () => {
    const cluster = await connect({ kubeconfig: api.kubeconfig(folder) })
    await expect(cluster.schedulableNodes()).rejects.toThrow(new Unanswered('Nodes: it answers with 500'))
    await expect(cluster.storageClasses()).rejects.toThrow('StorageClasses: the cluster does not know them')
    expect(await cluster.secretKeys('a', 'b')).toBeUndefined()
  })
})
