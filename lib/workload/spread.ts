import type { k8s } from 'cdk8s-plus-28'
import { selectorLabels, type WorkloadIdentity } from './identity.ts'

/**
 * Replicas of a Deployment spread over zones and hosts where that is possible. Never required: a rollout that
 * surges on as many nodes as replicas would deadlock (kubernetes#116891). Only pods of one revision count, so that
 * a rollout ends as evenly as it began.
 */
export function preferredSpread(identity: WorkloadIdentity): k8s.TopologySpreadConstraint[] {
  return ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selectorLabels(identity) },
    matchLabelKeys: ['pod-template-hash'],
  }))
}
