import { describe, expect, test } from '@jest/globals'
import { type Call, program } from '@regent/contract/program.ts'
import type { Part } from '@regent/contract/variable.ts'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import { flowsOf } from '../../lib/network-policy/flows.ts'
import { composed, object } from '../support/composed.ts'

const inSystem = (name: string, instance = 'regent') => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'regent-system' } },
  podSelector: { matchLabels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': instance } },
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

  test('the agent calls the control plane, its own replicas, the API server and DNS; only these replicas call it', () => {
    expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-agent')['spec']).toEqual({
      podSelector: inSystem('regent-agent', 'staging').podSelector,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [inSystem('regent-agent', 'staging')], ports: tcp(8081) }],
      egress: [
        { to: [inSystem('regent-control-plane')], ports: tcp(8001) },
        { to: [inSystem('regent-agent', 'staging')], ports: tcp(8081) },
        apiServer,
        dns,
      ],
    })
  })

  test('without election nobody calls the agent, nor does it call itself', () => {
    const { spec } = object(composed(dev), 'NetworkPolicy', 'regent-system', 'regent-agent')
    expect(spec).not.toHaveProperty('ingress')
    expect(JSON.stringify(spec)).not.toContain('8081')
  })

  test('the control plane is called by agents on their port and calls etcd, the API server and DNS', () => {
    expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-control-plane')['spec']).toMatchObject({
      ingress: [{ from: [inSystem('regent-agent', 'staging')], ports: tcp(8001) }],
      egress: [{ to: [inSystem('regent-consensus')], ports: tcp(2379) }, apiServer, dns],
    })
  })

  test('etcd is called by the control plane, by itself, and by what keeps its users', () => {
    expect(object(index, 'NetworkPolicy', 'regent-system', 'regent-consensus')['spec']).toMatchObject({
      ingress: [
        { from: [inSystem('regent-control-plane')], ports: tcp(2379) },
        { from: [inSystem('regent-consensus')], ports: tcp(2380) },
        { from: [inSystem('regent-consensus-access')], ports: tcp(2379) },
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
      { from: [inSystem('regent-agent', 'staging')] },
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }],
        ports: tcp(8000, 8001),
      },
      { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: tcp(8000, 8001) },
    ],
  })
})

const probe = {
  port: 'health' as const,
  path: '/',
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  failureThreshold: 1,
}

/** The flows of workloads that run a program with such calls, by their instances. */
function flowsOfCallers(calls: readonly Call[], instances: readonly string[], parts: readonly Part[] = []) {
  const caller = program('caller', {
    env: {},
    ports: { health: { number: 80, speaks: 'http' }, ear: { number: 81, speaks: 'tcp', when: 'election' } },
    probes: { startup: probe, liveness: probe, readiness: probe },
    calls,
    access: [],
    metrics: {},
    writes: [],
  })
  return flowsOf({
    endpoints: instances.map((instance) => ({
      program: caller,
      parts: new Set(parts),
      identity: { name: 'caller', component: 'caller', instance },
      settingsPath: '',
    })),
    apiServer: { cidrs: [], ports: [] },
    elsewhere: {},
    callers: [],
  })
}

test('workloads that run the same program call their own pods, not those of each other', () => {
  const flows = flowsOfCallers([{ to: 'program', program: 'caller', port: 'ear' }], ['one', 'two'], ['election'])
  for (const { endpoint, ingress, egress } of flows) {
    expect(ingress).toMatchObject([{ endpoint: { identity: endpoint.identity }, ports: [{ number: 81 }] }])
    expect(egress).toEqual(ingress)
  }
})

test('fails if a program calls one that is nowhere', () => {
  expect(() => flowsOfCallers([{ to: 'program', program: 'friend', port: 'ear' }], ['one'])).toThrow(
    "caller calls 'friend', which is nowhere",
  )
})

test('fails if a program calls a port of a part that is off', () => {
  expect(() => flowsOfCallers([{ to: 'program', program: 'caller', port: 'ear' }], ['one'])).toThrow(
    "caller opens no port 'ear'; it opens health",
  )
})
