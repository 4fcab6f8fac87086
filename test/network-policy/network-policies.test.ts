import { describe, expect, test } from '@jest/globals'
import { program } from '@regent/contract/program.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import { flowsOf } from '../../lib/network-policy/flows.ts'
import { composed, object } from '../support/composed.ts'

const inSystem = (name: string) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'regent-system' } },
  podSelector: { matchLabels: { 'app.kubernetes.io/name': name } },
})
const dns = {
  to: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
  ports: [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ],
}
const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: 'TCP', port }))

test.each(['regent-system', 'regent-sessions'])('%s denies everything that is not said otherwise', (namespace) => {
  expect(object(composed(local), 'NetworkPolicy', namespace, 'default-deny')['spec']).toEqual({
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
  })
})

describe('each program may do what it declares, and nothing else', () => {
  const index = composed(staging)
  const apiServer = { to: [{ ipBlock: { cidr: '10.10.0.0/24' } }], ports: tcp(443) }

  test('the agent calls the control plane, the API server and DNS; nobody calls it', () => {
    const { spec } = object(index, 'NetworkPolicy', 'regent-system', 'regent-agent')
    expect(spec).not.toHaveProperty('ingress')
    expect(spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [inSystem('regent-control-plane')], ports: tcp(8001) }, apiServer, dns],
    })
  })

  test('the control plane is called by agents on their port and calls etcd, the API server and DNS', () => {
    expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-control-plane')['spec']).toMatchObject({
      ingress: [{ from: [inSystem('regent-agent')], ports: tcp(8001) }],
      egress: [{ to: [inSystem('regent-consensus')], ports: tcp(2379) }, apiServer, dns],
    })
  })

  test('etcd is called by the control plane and by itself', () => {
    expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-consensus')['spec']).toMatchObject({
      ingress: [
        { from: [inSystem('regent-control-plane')], ports: tcp(2379) },
        { from: [inSystem('regent-consensus')], ports: tcp(2380) },
      ],
      egress: [{ to: [inSystem('regent-consensus')], ports: tcp(2380) }, dns],
    })
  })
})

test('clients of the control plane come from the namespaces and ranges that the environment names', () => {
  const index = composed(staging, {
    controlPlane: { clients: { namespaces: ['ingress'], cidrs: ['192.0.2.0/24'] } },
  })
  expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-control-plane')['spec']).toMatchObject({
    ingress: [
      { from: [inSystem('regent-agent')] },
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }],
        ports: tcp(8000, 8001),
      },
      { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: tcp(8000, 8001) },
    ],
  })
})

test('fails if a program calls one that is nowhere', () => {
  const probe = {
    port: 'health' as const,
    path: '/',
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    failureThreshold: 1,
  }
  const lonely = program('lonely', {
    env: {},
    ports: { health: { number: 80, speaks: 'http' } },
    probes: { startup: probe, liveness: probe, readiness: probe },
    calls: [{ to: 'program', program: 'friend', port: 'ear' }],
    access: [],
    metrics: {},
    writes: [],
  })
  expect(() =>
    flowsOf({
      endpoints: [{ program: lonely, podLabel: { key: 'app', value: 'lonely' }, settingsPath: '' }],
      apiServer: { cidrs: [], ports: [] },
      elsewhere: {},
      callers: [],
    }),
  ).toThrow("lonely calls 'friend', which is nowhere")
})
