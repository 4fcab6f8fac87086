import { leaseAnnotations } from '@regent/contract/names.ts'
import type { Standby, Takeover } from '@regent/contract/takeover.ts'

/** Where the API server serves the Leases of agents. */
export const leasesPath = '/apis/coordination.k8s.io/v1/namespaces/regent-system/leases'

/** The identity of a pod's agent. */
export function identityOf(pod: string): string {
  return `${pod}_b5d0c8e4-0000-4000-8000-000000000001_6f1c2d3e-0000-4000-8000-000000000002`
}

export interface LeaseProps {
  readonly agent: string
  /** The pod that leads; none when nobody does. */
  readonly leader?: string
  readonly epoch?: string
  readonly standbys?: readonly Standby[]
  readonly takeovers?: readonly Takeover[]
  /** @default now */
  readonly renewedAt?: Date
  readonly annotations?: Readonly<Record<string, string>>
  readonly resourceVersion?: string
}

/** A Lease as the leader of an agent writes it. */
export function leaseObject(props: LeaseProps) {
  const { agent, leader, epoch = '7', standbys = [], takeovers = [], renewedAt = new Date() } = props
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: `regent-agent-${agent}`,
      ...(props.resourceVersion !== undefined && { resourceVersion: props.resourceVersion }),
      annotations: {
        [leaseAnnotations.epoch]: epoch,
        [leaseAnnotations.node]: 'node-a',
        [leaseAnnotations.since]: '2026-05-04T03:02:01.000Z',
        [leaseAnnotations.reason]: 'peer-evidence',
        [leaseAnnotations.standbys]: JSON.stringify(standbys),
        [leaseAnnotations.link]: 'registered',
        [leaseAnnotations.takeovers]: JSON.stringify(takeovers),
        ...props.annotations,
      },
    },
    spec: {
      holderIdentity: leader === undefined ? '' : identityOf(leader),
      // So long that it does not run out while a busy machine starts the program that reads it.
      leaseDurationSeconds: 60,
      // A MicroTime has six digits of a second's fraction, or the API server refuses it.
      renewTime: renewedAt.toISOString().replace('Z', '000Z'),
    },
  }
}
