/** What a workload is, in the field's common labels. */
export interface WorkloadIdentity {
  /** `app.kubernetes.io/name`: the same for every workload that runs the same program. */
  readonly name: string
  /** `app.kubernetes.io/instance`: tells workloads of the same program apart. */
  readonly instance: string
  /** `app.kubernetes.io/component` */
  readonly component: string
}

/**
 * The labels by which a workload's pods are selected. A selector is immutable, so these never carry a version, a
 * hash, or anything else that could change.
 */
export function selectorLabels({ name, instance }: WorkloadIdentity): Record<string, string> {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': instance }
}

/** All labels of a workload and its pods. */
export function workloadLabels(identity: WorkloadIdentity): Record<string, string> {
  return {
    ...selectorLabels(identity),
    'app.kubernetes.io/component': identity.component,
    'app.kubernetes.io/part-of': 'regent',
  }
}
