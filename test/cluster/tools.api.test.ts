import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './command-line.ts'
import { evaluatePolicies, type PodPeer, type PolicyQuery } from './network-policies.ts'
import { tool } from './tools.ts'

const BUILD = 900_000
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-tools-'))
  const container = { name: 'main', image: 'registry.example/main:latest', securityContext: { privileged: true } }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bad', namespace: 'default' },
    spec: { containers: [container] },
  }
  writeFileSync(join(folder, 'pod.json'), JSON.stringify(pod))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the engine of NetworkPolicies', () => {
  const peer = (name: string, ip: string): PodPeer => ({
    namespace: 'regent',
    namespaceLabels: { 'kubernetes.io/metadata.name': 'regent' },
    podLabels: { app: name },
    ip,
    ports: { http: 8080 },
  })
  const server = peer('server', '10.0.0.1')
  const client = peer('client', '10.0.0.2')
  const query = (from: PolicyQuery['from'], port = 8080): PolicyQuery => ({ from, to: server, port, protocol: 'TCP' })
  const policies = [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'server', namespace: 'regent' },
      spec: {
        podSelector: { matchLabels: { app: 'server' } },
        policyTypes: ['Ingress'],
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 'http', protocol: 'TCP' }] },
        ],
      },
    },
  ]

  test(
    'allows the declared flow by the name of its port, and no other',
    async () => {
      const verdicts = await evaluatePolicies(policies, [
        query(client),
        query(client, 9090),
        query(peer('other', '10.0.0.3')),
        query({ ip: '192.0.2.1' }),
        { ...query(client), protocol: 'UDP' },
      ])
      expect(verdicts.map(({ allowed }) => allowed)).toEqual([true, false, false, false, false])
      expect(verdicts[1]).toEqual({ ingress: false, egress: true, allowed: false })
    },
    BUILD,
  )

  test('allows everything where no policy is', async () => {
    expect(await evaluatePolicies([], [query({ ip: '192.0.2.1' })])).toEqual([
      { ingress: true, egress: true, allowed: true },
    ])
  })
})

describe('a scanner', () => {
  test(
    'kube-score finds a privileged container',
    async () => {
      const args = ['score', '-o', 'json', '--kubernetes-version', 'v1.36', join(folder, 'pod.json')]
      const { stdout, exitCode } = await run([await tool('kube-score'), ...args])
      expect(exitCode).toBe(1)
      expect(stdout).toContain('The container is privileged')
    },
    BUILD,
  )

  test(
    'kubeconform refuses an unknown field, by a schema of a folder',
    async () => {
      const properties = { apiVersion: {}, kind: {}, metadata: {} }
      writeFileSync(
        join(folder, 'pod-v1.json'),
        JSON.stringify({ type: 'object', properties, additionalProperties: false }),
      )
      const schemas = join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json')
      const args = ['-strict', '-output', 'json', '-schema-location', schemas, join(folder, 'pod.json')]
      const { stdout, exitCode } = await run([await tool('kubeconform'), ...args])
      expect(exitCode).toBe(1)
      expect(stdout).toContain("additional properties 'spec' not allowed")
    },
    BUILD,
  )

  test(
    'checkov finds a privileged container',
    async () => {
      const options = ['--framework', 'kubernetes', '--skip-download', '--quiet', '--compact', '-o', 'json']
      const { stdout, exitCode } = await run([await tool('checkov'), '-f', join(folder, 'pod.json'), ...options])
      expect(exitCode).toBe(1)
      expect(stdout).toContain('CKV_K8S_16')
    },
    BUILD,
  )
})

test(
  'crane answers',
  async () => {
    expect((await run([await tool('crane'), 'registry', 'serve', '--help'])).stdout).toContain('--address')
  },
  BUILD,
)
