import { describe, expect, test } from '@jest/globals'
import { App, ApiObject, Chart } from 'cdk8s'
import { Construct } from 'constructs'
import { load } from 'js-yaml'
import { External } from '../../lib/output/external.ts'
import { fileName } from '../../lib/output/file-name.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { indexOf } from '../../lib/output/manifest-index.ts'
import { comesFrom } from '../../lib/output/provenance.ts'
import { ownershipLine, serialize } from '../../lib/output/serialize.ts'

const cluster = {
  cloud: 'eks',
  kubernetesVersion: '1.33',
  zones: ['a'],
  nodes: 1,
  apiServer: { cidrs: ['192.0.2.0/24'], ports: [443] },
} as const

function manifest(kind: string, name: string, namespace?: string): Manifest {
  return { apiVersion: 'v1', kind, metadata: { name, ...(namespace !== undefined && { namespace }) } }
}

describe('a file', () => {
  const name = (object: Manifest) => fileName({ manifest: object, application: '0-core', settingsPath: '' })

  test('is named by the rank of its kind, its namespace and its name', () => {
    expect(name(manifest('Namespace', 'a'))).toBe('0-core/00-namespace.a.yaml')
    expect(name(manifest('Deployment', 'b', 'a'))).toBe('0-core/70-deployment.a.b.yaml')
  })

  test('comes after what it stands on', () => {
    const order = [
      'Namespace',
      'StorageClass',
      'ResourceQuota',
      'Role',
      'NetworkPolicy',
      'ConfigMap',
      'Service',
      'Deployment',
      'PodDisruptionBudget',
      'Certificate',
    ]
    const names = order.map((kind) => name(manifest(kind, 'x')))
    expect(names.toSorted()).toEqual(names)
  })
})

describe('YAML', () => {
  test('has sorted keys, and begins with the line that says whose it is', () => {
    const text = serialize({ ...manifest('ConfigMap', 'x'), data: { b: '1', a: '2' } })
    expect(text.startsWith(`${ownershipLine}\n`)).toBe(true)
    expect(text.indexOf('a: ')).toBeLessThan(text.indexOf('b: '))
  })

  test.each([
    'on',
    'off',
    'yes',
    'no',
    'y',
    'n',
    'Y',
    'true',
    'null',
    '~',
    '0x1f',
    '010',
    '0o17',
    '1e3',
    '1_000',
    '2001-01-01',
    '.5',
    '',
  ])('keeps the text %j a text for every parser', (text) => {
    const yaml = serialize({ ...manifest('ConfigMap', 'x'), data: { key: text } })
    expect(yaml).toContain(`key: '${text}'`)
    expect((load(yaml) as { data: { key: string } }).data.key).toBe(text)
  })

  test('repeats objects instead of referring to them', () => {
    const shared = { app: 'x' }
    expect(serialize({ ...manifest('Service', 'x'), a: shared, b: shared })).not.toMatch(/[&*]/)
  })
})

describe('the index of an app', () => {
  const app = new App()
  const chart = new Chart(app, '0-core', { disableResourceNameHashes: true })
  const outer = new Construct(chart, 'outer')
  const inner = new Construct(outer, 'inner')
  comesFrom(outer, 'agent')
  new ApiObject(outer, 'a', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n' } })
  comesFrom(inner, 'agent.sessions')
  new ApiObject(inner, 'b', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' } })
  new ApiObject(chart, 'c', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } })
  new External(inner, 'secret', { kind: 'Secret', name: 's', namespace: 'n', purpose: 'test' })
  const index = indexOf(app, 'dev', cluster)

  test('knows the setting that each object comes from, the nearest first', () => {
    expect(Object.fromEntries(index.manifests.map((one) => [one.metadata.name, index.origin(one)]))).toEqual({
      a: 'dev.agent',
      b: 'dev.agent.sessions',
      c: 'dev',
    })
  })

  test('resolves what is emitted and what is declared as external, in its namespace only', () => {
    expect(index.resolves('ConfigMap', 'n', 'a')).toBe(true)
    expect(index.resolves('ConfigMap', undefined, 'a')).toBe(false)
    expect(index.resolves('Secret', 'n', 's')).toBe(true)
    expect(index.resolves('Secret', 'other', 's')).toBe(false)
  })
})
