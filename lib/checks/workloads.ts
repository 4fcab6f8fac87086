import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { scaled } from './int-or-percent.ts'
import { type LabelSelector, matches, type PodTemplate } from './pods.ts'

/** Something that makes pods, with what the checks ask of it. */
export interface Workload {
  readonly manifest: Manifest
  readonly namespace: string | undefined
  readonly template: PodTemplate
  /** Labels of its pods. */
  readonly podLabels: Readonly<Record<string, string>>
  /** Its fewest pods: where it has no number of its own, that of its autoscaler; a DaemonSet's is that of the nodes. */
  readonly replicas: number
  /** Its most pods: where an autoscaler owns it, the autoscaler's, else the same. Without the surge of an update. */
  readonly maxReplicas: number
  readonly spec: WorkloadSpec
}

/** What the kinds of workloads say of themselves; none has all of it. */
export interface WorkloadSpec {
  readonly replicas?: number
  readonly parallelism?: number
  readonly serviceName?: string
  readonly selector?: LabelSelector
  readonly template?: PodTemplate
  readonly jobTemplate?: { readonly spec: { readonly parallelism?: number; readonly template: PodTemplate } }
  readonly strategy?: { readonly type?: string; readonly rollingUpdate?: RollingUpdate }
  readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: RollingUpdate }
  readonly volumeClaimTemplates?: readonly {
    readonly metadata: { readonly name: string }
    readonly spec: ClaimSpec
  }[]
}

export interface RollingUpdate {
  readonly maxSurge?: number | string
  readonly maxUnavailable?: number | string
}

/** A claim for a volume. */
export interface ClaimSpec {
  readonly storageClassName?: string
  readonly resources?: { readonly requests?: Readonly<Record<string, string | number>> }
}

/** Everything in an environment that makes pods. */
export function workloadsOf(index: ManifestIndex): readonly Workload[] {
  return ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'].flatMap((kind) =>
    index.ofKind(kind).map((manifest): Workload => {
      const spec = manifest['spec'] as WorkloadSpec
      const template = spec.template ?? spec.jobTemplate?.spec.template
      if (template === undefined)
        throw new Error(`${kind} ${manifest.metadata.name}: expected a pod template, got none`)
      const autoscaler = autoscalerOf(index, manifest)
      const own =
        kind === 'DaemonSet'
          ? index.cluster.nodes
          : (spec.replicas ?? spec.parallelism ?? spec.jobTemplate?.spec.parallelism)
      const replicas = own ?? autoscaler?.minReplicas ?? 1
      return {
        manifest,
        namespace: manifest.metadata.namespace,
        template,
        podLabels: template.metadata?.labels ?? {},
        replicas,
        maxReplicas: Math.max(replicas, autoscaler?.maxReplicas ?? replicas),
        spec,
      }
    }),
  )
}

/** The workloads of a namespace whose pods a selector matches. */
export function selectedBy(
  workloads: readonly Workload[],
  namespace: string | undefined,
  selector: LabelSelector,
): readonly Workload[] {
  return workloads.filter((one) => one.namespace === namespace && matches(selector, one.podLabels))
}

/**
 * How many pods more than its replicas a workload has in the middle of a rolling update. A share is rounded up; a
 * Deployment that says nothing takes a quarter, any other workload nothing.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
 */
export function surgeOf({ manifest, spec }: Workload, replicas: number): number {
  const strategy = spec.strategy ?? spec.updateStrategy
  if ((strategy?.type ?? 'RollingUpdate') !== 'RollingUpdate') return 0
  const surge = strategy?.rollingUpdate?.maxSurge ?? (manifest.kind === 'Deployment' ? '25%' : 0)
  return scaled(surge, replicas, 'up')
}

/** What an autoscaler says of the workload that it owns. */
export interface AutoscalerSpec {
  readonly scaleTargetRef: { readonly apiVersion: string; readonly kind: string; readonly name: string }
  /** @default 1 */
  readonly minReplicas?: number
  readonly maxReplicas: number
  readonly metrics?: readonly AutoscalerMetric[]
}

/** One of the metrics that an autoscaler looks at; `type` says which. */
export interface AutoscalerMetric {
  readonly type: string
  readonly resource?: { readonly name: string; readonly target?: { readonly type: string } }
  readonly containerResource?: {
    readonly name: string
    readonly container: string
    readonly target?: { readonly type: string }
  }
  readonly pods?: { readonly metric: { readonly name: string } }
  readonly object?: { readonly metric: { readonly name: string } }
  readonly external?: { readonly metric: { readonly name: string } }
}

/** The autoscaler that owns a workload's replicas, if there is one. */
export function autoscalerOf(index: ManifestIndex, workload: Manifest): AutoscalerSpec | undefined {
  return index
    .ofKind('HorizontalPodAutoscaler')
    .filter(({ metadata }) => metadata.namespace === workload.metadata.namespace)
    .map((manifest) => manifest['spec'] as AutoscalerSpec)
    .find(
      ({ scaleTargetRef }) => scaleTargetRef.kind === workload.kind && scaleTargetRef.name === workload.metadata.name,
    )
}
