import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ClusterView, connect } from '../../cli/cluster-view.ts'
import { apply, mustKubectl } from '../cluster/kubectl.ts'
import { createNamespace, deleteNamespace } from '../cluster/namespace.ts'
import { cluster } from '../cluster/state.ts'
import { regent } from './program.ts'

describe('the view of a real cluster', () => {
  let namespace = ''
  let view: ClusterView
  const driver = () => `${namespace}.csi.example.com`

  beforeAll(async () => {
    namespace = await createNamespace('requires')
    await apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'tls', namespace },
      stringData: { 'tls.crt': 'x', 'ca.crt': 'y' },
    })
    await apply({ apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: driver() }, spec: {} })
    const metadata = { name: namespace }
    await apply({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata, provisioner: driver() })
    view = await connect({ kubeconfig: cluster().kubeconfig })
  })
  afterAll(async () => {
    await mustKubectl(['delete', 'storageclass', namespace])
    await mustKubectl(['delete', 'csidriver', driver()])
    await deleteNamespace(namespace)
  })

  test('has its version', async () => {
    const { serverVersion } = JSON.parse(await mustKubectl(['version', '--output=json'])) as {
      serverVersion: { gitVersion: string }
    }
    const { text, major, minor } = view.version
    expect(text).toBe(serverVersion.gitVersion)
    expect(text).toMatch(`v${major}.${minor}.`)
  })

  test('has the keys of a Secret, and none of a Secret that is not there', async () => {
    expect(await view.secretKeys(namespace, 'tls')).toEqual(['ca.crt', 'tls.crt'])
    expect(await view.secretKeys(namespace, 'none')).toBeUndefined()
    expect(await view.secretKeys('no-such-namespace', 'tls')).toBeUndefined()
  })

  test('has its StorageClasses, drivers and APIs', async () => {
    expect(await view.storageClasses()).toContainEqual({ name: namespace, isDefault: false })
    expect(await view.hasCsiDriver(driver())).toBe(true)
    expect(await view.hasCsiDriver(`no-${driver()}`)).toBe(false)
    expect(await view.apiService('v1.apps')).toBe('available')
    expect(await view.apiService('v1.no.example.com')).toBe('not registered')
  })

  test('has the nodes that pods can be scheduled on', async () => {
    const { items } = JSON.parse(await mustKubectl(['get', 'nodes', '--output=json'])) as { items: object[] }
    expect((await view.schedulableNodes()).length).toBeLessThanOrEqual(items.length)
  })

  test('is what requires --check reports', async () => {
    const { stdout } = await regent(['requires', 'dev', '--check', '--kubeconfig', cluster().kubeconfig, '--json'])
    expect(JSON.parse(stdout)).toMatchObject([
      expect.objectContaining({ kind: 'Kubernetes', why: `the cluster runs ${view.version.text}` }),
      { kind: 'DefaultStorageClass' },
    ])
  })
})
