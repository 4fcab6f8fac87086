import type { k8s } from 'cdk8s-plus-28'
import { selectorLabels } from '../workload/identity.ts'
import { consensusIdentity } from './identity.ts'

/** Zones over which members are spread by force; with fewer, losing one loses the quorum wherever they are. */
const zonesForQuorum = 3

/** Members never share a host, and spread evenly over zones where there are enough of them. */
export function memberSpread(
  members: number,
  zones: number,
): { affinity?: k8s.Affinity; topologySpreadConstraints?: k8s.TopologySpreadConstraint[] } {
  if (members === 1) return {}
  const labelSelector = { matchLabels: selectorLabels(consensusIdentity) }
  return {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector }],
      },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        labelSelector,
        ...(zones >= zonesForQuorum
          ? { minDomains: zonesForQuorum, whenUnsatisfiable: 'DoNotSchedule' }
          : { whenUnsatisfiable: 'ScheduleAnyway' }),
      },
    ],
  }
}
