import { k8s } from 'cdk8s-plus-28'
import type { Construct } from 'constructs'
import { selectorLabels, type WorkloadIdentity, workloadLabels } from './identity.ts'

export interface DisruptionBudgetProps {
  readonly name: string
  readonly namespace: string
  readonly identity: WorkloadIdentity
  /** Exactly one of the two: a number, or a percentage such as `80%`. */
  readonly minAvailable?: number | string
  readonly maxUnavailable?: number | string
  /**
   * Whether a pod that is not ready may be evicted although the budget is used up. `AlwaysAllow` for what keeps no
   * state, so that a broken pod never blocks a drain; `IfHealthyBudget` where each member counts.
   */
  readonly unhealthyPodEvictionPolicy: 'AlwaysAllow' | 'IfHealthyBudget'
}

/** A PodDisruptionBudget over exactly the pods of one workload. */
export function disruptionBudget(
  scope: Construct,
  id: string,
  props: DisruptionBudgetProps,
): k8s.KubePodDisruptionBudget {
  return new k8s.KubePodDisruptionBudget(scope, id, {
    metadata: { name: props.name, namespace: props.namespace, labels: workloadLabels(props.identity) },
    spec: {
      selector: { matchLabels: selectorLabels(props.identity) },
      ...(props.minAvailable !== undefined && { minAvailable: intOrPercentage(props.minAvailable) }),
      ...(props.maxUnavailable !== undefined && { maxUnavailable: intOrPercentage(props.maxUnavailable) }),
      unhealthyPodEvictionPolicy: props.unhealthyPodEvictionPolicy,
    },
  })
}

function intOrPercentage(value: number | string): k8s.IntOrString {
  return typeof value === 'number' ? k8s.IntOrString.fromNumber(value) : k8s.IntOrString.fromString(value)
}
