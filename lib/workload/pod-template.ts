import { createHash } from 'node:crypto'
import { annotations } from '@regent/contract/names.ts'
import type { k8s } from 'cdk8s-plus-28'
import { type WorkloadIdentity, workloadLabels } from './identity.ts'
import { restrictedPod } from './restricted.ts'

export interface PodTemplateProps {
  readonly identity: WorkloadIdentity
  readonly container: k8s.Container
  readonly serviceAccountName: string
  /** Whether the program talks to the API server. Off unless it says so. @default false */
  readonly mountsApiToken?: boolean
  readonly priorityClassName: string
  readonly terminationGracePeriodSeconds: number
  readonly volumes: readonly k8s.Volume[]
  readonly affinity?: k8s.Affinity
  readonly topologySpreadConstraints?: readonly k8s.TopologySpreadConstraint[]
}

/** A pod of Regent: one program, restricted, and rolled whenever its configuration changes. */
export function podTemplate(props: PodTemplateProps): k8s.PodTemplateSpec {
  return {
    metadata: {
      labels: workloadLabels(props.identity),
      annotations: { [annotations.configurationHash]: configurationHash(props.container) },
    },
    spec: {
      serviceAccountName: props.serviceAccountName,
      automountServiceAccountToken: props.mountsApiToken ?? false,
      // Services of the namespace would otherwise appear as variables that no program declares.
      enableServiceLinks: false,
      priorityClassName: props.priorityClassName,
      terminationGracePeriodSeconds: props.terminationGracePeriodSeconds,
      securityContext: restrictedPod,
      containers: [props.container],
      volumes: [...props.volumes],
      ...(props.affinity && { affinity: props.affinity }),
      ...(props.topologySpreadConstraints && { topologySpreadConstraints: [...props.topologySpreadConstraints] }),
    },
  }
}

/** Short hash of everything that configures a container, for people who ask whether two pods run the same. */
function configurationHash({ command, args, env }: k8s.Container): string {
  return createHash('sha256')
    .update(JSON.stringify([command, args, env]))
    .digest('hex')
    .slice(0, 16)
}
