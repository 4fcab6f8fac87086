import { etcd } from '@regent/contract/etcd.ts'
import { objectNames } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import type { Construct } from 'constructs'
import { workloadLabels } from '../workload/identity.ts'
import { memberHost } from './etcd-flags.ts'
import { consensusIdentity } from './identity.ts'

export interface MembershipProps {
  readonly namespace: string
  readonly members: number
  readonly scheme: 'http' | 'https'
}

/**
 * What etcd must know of the other members before it has data of its own. In a ConfigMap, not in the flags: whoever
 * adds a member later writes the joiner's view (`existing`) here without touching, and so restarting, the others.
 */
export function membership(scope: Construct, id: string, props: MembershipProps): k8s.KubeConfigMap {
  const members = Array.from({ length: props.members }, (_, ordinal) => `${objectNames.consensus}-${ordinal}`)
  return new k8s.KubeConfigMap(scope, id, {
    metadata: {
      name: objectNames.consensusMembership,
      namespace: props.namespace,
      labels: workloadLabels(consensusIdentity),
    },
    data: {
      ETCD_INITIAL_CLUSTER: members
        .map((member) => `${member}=${props.scheme}://${memberHost(member, props.namespace)}:${etcd.ports.peer.number}`)
        .join(','),
      ETCD_INITIAL_CLUSTER_STATE: 'new',
    },
  })
}
