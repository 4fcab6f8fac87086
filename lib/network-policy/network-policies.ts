import { namespaceNames } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import { comesFrom } from '../output/provenance.ts'
import { selectorLabels } from '../workload/identity.ts'
import { type Waiver, waiverAnnotations } from '../workload/waivers.ts'
import { type Flows, flowsOf, type FlowsProps, type Peer } from './flows.ts'

const dnsPort = 53

/** The sessions' namespace has no pods until an agent makes them. */
const emptyAtFirst: Waiver = {
  scanner: 'kube-score',
  rule: 'networkpolicy-targets-pod',
  reason: 'the pods are created by agents at run time',
}

/**
 * Default deny in both directions in every namespace, and one policy per program with exactly the flows that the
 * programs declare. Probes of the kubelet come from the pod's own node and are let through by every implementation.
 */
export class NetworkPolicies extends Construct {
  constructor(scope: Construct, id: string, props: FlowsProps) {
    super(scope, id)
    for (const namespace of Object.values(namespaceNames)) {
      new k8s.KubeNetworkPolicy(this, `default-deny-${namespace}`, {
        metadata: {
          name: 'default-deny',
          namespace,
          ...(namespace === namespaceNames.sessions && { annotations: waiverAnnotations([emptyAtFirst]) }),
        },
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      })
    }
    for (const flows of flowsOf(props)) this.addPolicy(flows)
  }

  private addPolicy({ endpoint, ingress, egress }: Flows): void {
    const policy = new Construct(this, endpoint.program.name)
    comesFrom(policy, endpoint.settingsPath)
    new k8s.KubeNetworkPolicy(policy, 'policy', {
      metadata: { name: endpoint.identity.name, namespace: namespaceNames.system },
      spec: {
        podSelector: { matchLabels: selectorLabels(endpoint.identity) },
        policyTypes: ['Ingress', 'Egress'],
        // An empty list means what a missing one means; the API server drops it, and every comparison would differ.
        ...(ingress.length > 0 && {
          ingress: ingress.map((peer) => ({ from: [selection(peer)], ports: portsOf(peer) })),
        }),
        ...(egress.length > 0 && { egress: egress.map((peer) => ({ to: [selection(peer)], ports: portsOf(peer) })) }),
      },
    })
  }
}

function selection(peer: Peer): k8s.NetworkPolicyPeer {
  switch (peer.kind) {
    // Both selectors in one entry: the pods of that label in that namespace, not either of the two.
    case 'program':
      return {
        namespaceSelector: namespaceSelector(namespaceNames.system),
        podSelector: { matchLabels: selectorLabels(peer.endpoint.identity) },
      }
    case 'namespace':
      return { namespaceSelector: namespaceSelector(peer.namespace) }
    case 'cidr':
      return { ipBlock: { cidr: peer.cidr } }
    case 'dns':
      return {
        namespaceSelector: namespaceSelector('kube-system'),
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      }
  }
}

function portsOf(peer: Peer): k8s.NetworkPolicyPort[] {
  // Answers that do not fit into a datagram come over TCP.
  if (peer.kind === 'dns')
    return ['UDP', 'TCP'].map((protocol) => ({ protocol, port: k8s.IntOrString.fromNumber(dnsPort) }))
  const numbers = peer.kind === 'cidr' ? peer.ports : peer.ports.map(({ number }) => number)
  return numbers.map((number) => ({ protocol: 'TCP', port: k8s.IntOrString.fromNumber(number) }))
}

function namespaceSelector(name: string): k8s.LabelSelector {
  return { matchLabels: { 'kubernetes.io/metadata.name': name } }
}
