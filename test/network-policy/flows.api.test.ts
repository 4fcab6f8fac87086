import { describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { etcd } from '@regent/contract/etcd.ts'
import type { Program } from '@regent/contract/program.ts'
import { environments } from '../../environments/index.ts'
import { staging } from '../../environments/staging.ts'
import { type EnvironmentPart, type Layer } from '../../lib/config/layer.ts'
import { nameOf } from '../../lib/config/parse.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { evaluatePolicies, type OutsidePeer, type PodPeer, type PolicyQuery } from '../cluster/network-policies.ts'
import { changed, composed } from '../support/composed.ts'

/** Somebody who may be at either end of a flow. */
interface Peer {
  readonly name: string
  readonly program?: Program
  readonly at: PodPeer | OutsidePeer
}

interface PodTemplateManifest extends Manifest {
  readonly spec: { readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } } }
}

const programs: readonly Program[] = [agent, controlPlane, etcd, consensusAccess]
const outside = '203.0.113.9'
const apiServer = '192.0.2.10'
const elsewhere = '198.51.100.5'
const balancer = '198.51.100.77'
const provider = '198.51.100.99'

function pod(namespace: string, podLabels: Readonly<Record<string, string>>, ip: string, program?: Program): PodPeer {
  const ports = Object.entries(program?.ports ?? {}).map(([name, { number }]) => [name, number] as const)
  return {
    namespace,
    namespaceLabels: { 'kubernetes.io/metadata.name': namespace },
    podLabels,
    ip,
    ports: Object.fromEntries(ports),
  }
}

/** Two pods of every program as its manifest labels them, and everybody else who could be about. */
function peersOf(index: ReturnType<typeof composed>): readonly Peer[] {
  const workloads = [...index.ofKind('Deployment'), ...index.ofKind('StatefulSet')] as PodTemplateManifest[]
  const ours = workloads.flatMap((manifest, row) => {
    const { labels } = manifest.spec.template.metadata
    const program = programs.find(({ name }) => name === labels['app.kubernetes.io/component'])
    if (program === undefined) throw new Error(`${manifest.metadata.name} runs no program of the contract`)
    return [1, 2].map((replica) => ({
      name: `${program.name} ${replica}`,
      program,
      at: pod('regent-system', labels, `10.1.${row}.${replica}`, program),
    }))
  })
  const otherAgent = { 'app.kubernetes.io/name': 'regent-agent', 'app.kubernetes.io/instance': 'another' }
  const impostor = { 'app.kubernetes.io/name': 'regent-control-plane', 'app.kubernetes.io/instance': 'regent' }
  return [
    ...ours,
    { name: 'a stranger in the system namespace', at: pod('regent-system', { app: 'stranger' }, '10.1.9.1') },
    { name: 'another agent', at: pod('regent-system', otherAgent, '10.1.9.7') },
    { name: 'a session', at: pod('regent-sessions', { app: 'session' }, '10.1.9.2') },
    { name: 'a namesake of the control plane elsewhere', at: pod('default', impostor, '10.1.9.3') },
    { name: 'DNS', at: pod('kube-system', { 'k8s-app': 'kube-dns' }, '10.1.9.4') },
    { name: 'another pod beside DNS', at: pod('kube-system', { app: 'other' }, '10.1.9.5') },
    { name: 'the ingress', at: pod('ingress', { app: 'gateway' }, '10.1.9.6') },
    { name: 'the API server', at: { ip: apiServer } },
    { name: 'the control plane elsewhere', at: { ip: elsewhere } },
    { name: 'the balancer', at: { ip: balancer } },
    { name: 'the OpenID provider', at: { ip: provider } },
    { name: 'the world', at: { ip: outside } },
  ]
}

const ports = [
  ...new Set([
    ...programs.flatMap((one) => Object.values(one.ports).map(({ number }) => number)),
    53,
    443,
    6443,
    8443,
    22,
  ]),
]

/** What the declarations say of a flow, in words of their own: nothing of `lib/network-policy` is asked. */
function declared({ from, to, port, protocol }: Flow, elects: boolean, extra: (flow: Flow) => boolean): boolean {
  const calls = from.program?.calls ?? []
  if (protocol === 'TCP' && extra({ from, to, port, protocol })) return true
  return calls.some((call) => {
    if (call.to === 'dns') return to.name === 'DNS' && port === 53
    if (call.to === 'apiServer') return to.name === 'the API server' && port === 443 && protocol === 'TCP'
    // Whether there is one, and where, is said by the test that has one.
    if (call.to === 'outside') return false
    if (call.when === 'election' && !elects) return false
    return to.program?.name === call.program && to.program.ports[call.port]?.number === port && protocol === 'TCP'
  })
}

interface Flow {
  readonly from: Peer
  readonly to: Peer
  readonly port: number
  readonly protocol: PolicyQuery['protocol']
}

const isOurs = ({ at }: Peer) => 'namespace' in at && at.namespace.startsWith('regent-')

async function differences(layer: Layer, part: EnvironmentPart, extra: (flow: Flow) => boolean = () => false) {
  const set: EnvironmentPart = { ...part, cluster: { apiServer: { cidrs: [`${apiServer}/32`], ports: [443] } } }
  const index = composed(layer, set)
  const elects = changed(layer, set).agent.leaderElection.enabled
  const peers = peersOf(index)
  const flows = peers.flatMap((from) =>
    peers.flatMap((to) =>
      // Flows between strangers are none of our business, nor is a pod's talk with itself.
      (isOurs(from) || isOurs(to)) && from !== to
        ? ports.flatMap((port) => (['TCP', 'UDP'] as const).map((protocol): Flow => ({ from, to, port, protocol })))
        : [],
    ),
  )
  const verdicts = await evaluatePolicies(
    index.ofKind('NetworkPolicy'),
    flows.map(({ from, to, port, protocol }) => ({ from: from.at, to: to.at, port, protocol })),
  )
  const wrong = flows.flatMap((flow, row) => {
    const expected = declared(flow, elects, extra)
    const { allowed } = verdicts[row] ?? { allowed: !expected }
    if (allowed === expected) return []
    return [`${flow.from.name} → ${flow.to.name} ${flow.protocol} ${flow.port}: ${allowed ? 'open' : 'closed'}`]
  })
  return { wrong, open: verdicts.filter(({ allowed }) => allowed).length, asked: flows.length }
}

describe('the flows of an environment are those that the programs declare, nothing more and nothing less', () => {
  test.each(environments.map((layer) => [nameOf(layer), layer] as const))(
    '%s',
    async (_, layer) => {
      const { wrong, open, asked } = await differences(layer, {})
      expect(wrong).toEqual([])
      // Flows that are open at all: an engine that reads no policy, or refuses everything, would agree with nothing.
      expect(open).toBeGreaterThan(20)
      expect(asked).toBeGreaterThan(2000)
    },
    900_000,
  )

  test('with clients from a namespace and from an address range', async () => {
    const toControlPlane = ({ from, to, port }: Flow) =>
      ['the ingress', 'the balancer'].includes(from.name) && to.program === controlPlane && [8000, 8001].includes(port)
    const clients = { namespaces: ['ingress'], cidrs: [`${balancer}/32`] }
    expect((await differences(staging, { controlPlane: { clients } }, toControlPlane)).wrong).toEqual([])
  })

  test('with an OpenID provider', async () => {
    const oidc = {
      issuerUrl: 'https://login.example.com:8443/realms/main',
      audience: 'regent',
      roleClaim: ['groups'],
      roles: { viewer: ['everybody'] },
      cidrs: [`${provider}/32`],
    }
    const toProvider = ({ from, to, port }: Flow) =>
      from.program === controlPlane && to.name === 'the OpenID provider' && port === 8443
    expect((await differences(staging, { controlPlane: { oidc } }, toProvider)).wrong).toEqual([])
  })

  test('with the control plane elsewhere', async () => {
    const away = { url: 'https://agents.example.com:8443', cidrs: [`${elsewhere}/32`], apiKeySecretName: 'key' }
    const toElsewhere = ({ from, to, port }: Flow) =>
      from.program === agent && to.name === 'the control plane elsewhere' && port === 8443
    const part = { controlPlane: null, consensus: null, agent: { controlPlane: away } }
    expect((await differences(staging, part, toElsewhere)).wrong).toEqual([])
  })
})
