import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'

/** The parts of Kubernetes' pod template that the checks look at. */
export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: PodSpec
}
export interface PodSpec {
  readonly serviceAccountName?: string
  readonly priorityClassName?: string
  readonly terminationGracePeriodSeconds?: number
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly volumes?: readonly Volume[]
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly { readonly topologyKey: string }[]
    }
  }
  readonly topologySpreadConstraints?: readonly {
    readonly maxSkew: number
    readonly minDomains?: number
    readonly topologyKey: string
    readonly whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'
  }[]
}
export interface Container {
  readonly name: string
  readonly image: string
  readonly env?: readonly {
    readonly name: string
    readonly value?: string
    readonly valueFrom?: {
      readonly secretKeyRef?: { readonly name: string; readonly optional?: boolean }
      readonly configMapKeyRef?: { readonly name: string; readonly optional?: boolean }
    }
  }[]
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string }
    readonly secretRef?: { readonly name: string }
  }[]
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[]
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>
    readonly limits?: Readonly<Record<string, string | number>>
  }
  readonly livenessProbe?: ProbeSpec
  readonly readinessProbe?: ProbeSpec
  readonly startupProbe?: ProbeSpec
}
export interface ProbeSpec {
  readonly httpGet?: { readonly port: string | number; readonly path?: string }
  readonly tcpSocket?: { readonly port: string | number }
}
export interface Volume {
  readonly name: string
  readonly secret?: { readonly secretName?: string; readonly optional?: boolean }
  readonly configMap?: { readonly name?: string; readonly optional?: boolean }
  readonly persistentVolumeClaim?: { readonly claimName: string }
  readonly projected?: {
    readonly sources?: readonly {
      readonly secret?: { readonly name?: string }
      readonly configMap?: { readonly name?: string }
    }[]
  }
}

/** Something that makes pods, with what the checks ask of it. */
export interface Workload {
  readonly manifest: Manifest
  readonly namespace: string | undefined
  readonly template: PodTemplate
  /** Labels of its pods. */
  readonly podLabels: Readonly<Record<string, string>>
  /** Its own number of pods, before any autoscaler; a DaemonSet's is that of the nodes. */
  readonly replicas: number
}

interface WorkloadSpec {
  readonly replicas?: number
  readonly template?: PodTemplate
  readonly jobTemplate?: { readonly spec: { readonly template: PodTemplate } }
}

/** Everything in an environment that makes pods. Without `replicas` the smallest of its autoscaler stands. */
export function workloadsOf(index: ManifestIndex): readonly Workload[] {
  return ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'].flatMap((kind) =>
    index.ofKind(kind).map((manifest): Workload => {
      const spec = manifest['spec'] as WorkloadSpec
      const template = spec.template ?? spec.jobTemplate?.spec.template
      if (template === undefined)
        throw new Error(`${kind} ${manifest.metadata.name}: expected a pod template, got none`)
      return {
        manifest,
        namespace: manifest.metadata.namespace,
        template,
        podLabels: template.metadata?.labels ?? {},
        replicas:
          kind === 'DaemonSet'
            ? index.cluster.nodes
            : (spec.replicas ?? autoscalerOf(index, manifest)?.minReplicas ?? 1),
      }
    }),
  )
}

/** What an autoscaler says of the workload that it owns. */
export interface AutoscalerSpec {
  readonly scaleTargetRef: { readonly apiVersion: string; readonly kind: string; readonly name: string }
  readonly minReplicas?: number
  readonly maxReplicas: number
  readonly metrics?: readonly {
    readonly type: string
    readonly resource?: { readonly name: string }
    readonly pods?: { readonly metric: { readonly name: string } }
    readonly object?: { readonly metric: { readonly name: string } }
    readonly external?: { readonly metric: { readonly name: string } }
  }[]
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

/** A selector as Kubernetes' objects hold it, with `matchLabels` only, which is all that Regent emits. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly unknown[]
}

/** Whether labels satisfy every pair of a selector; an empty one matches everything. */
export function matches(
  selector: Readonly<Record<string, string>>,
  podLabels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => podLabels[key] === value)
}
