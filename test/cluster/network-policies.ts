import { mustRun } from './command-line.ts'
import { tool } from './tools.ts'

/** A pod, or what its policies see of it. */
export interface PodPeer {
  readonly namespace: string
  readonly namespaceLabels: Readonly<Record<string, string>>
  readonly podLabels: Readonly<Record<string, string>>
  readonly ip: string
  /** Its named ports, for policies that name them. */
  readonly ports?: Readonly<Record<string, number>>
}

/** An address that is not a pod's. */
export interface OutsidePeer {
  readonly ip: string
}

/** One flow. The port is the one that the pod listens on, not a Service's. */
export interface PolicyQuery {
  readonly from: PodPeer | OutsidePeer
  readonly to: PodPeer | OutsidePeer
  readonly port: number
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
}

export interface PolicyVerdict {
  /** What the policies of the destination say. */
  readonly ingress: boolean
  /** What the policies of the source say. */
  readonly egress: boolean
  /** Both. */
  readonly allowed: boolean
}

/**
 * What NetworkPolicies let through, in the judgement of an engine that is not ours (cyclonus): one verdict per query,
 * in order. Evaluated, not enforced: no packet is sent.
 */
export async function evaluatePolicies(
  policies: readonly object[],
  queries: readonly PolicyQuery[],
): Promise<readonly PolicyVerdict[]> {
  const input = { policies, queries: queries.map((query) => ({ ...query, ...resolve(query) })) }
  return JSON.parse(await mustRun([await tool('policies')], { input: JSON.stringify(input) })) as PolicyVerdict[]
}

/** The engine compares a policy's port name with the name that the destination gives to the number. */
function resolve({ from, to, port }: PolicyQuery): object {
  const names = 'ports' in to ? Object.entries(to.ports ?? {}) : []
  const portName = names.find(([, number]) => number === port)?.[0] ?? ''
  return { from: withoutPorts(from), to: withoutPorts(to), portName }
}

function withoutPorts(peer: PodPeer | OutsidePeer): object {
  return Object.fromEntries(Object.entries(peer).filter(([key]) => key !== 'ports'))
}
