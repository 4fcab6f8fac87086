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
  readonly automountServiceAccountToken?: boolean
  readonly priorityClassName?: string
  readonly terminationGracePeriodSeconds?: number
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly hostIPC?: boolean
  readonly securityContext?: SecurityContext
  readonly imagePullSecrets?: readonly { readonly name: string }[]
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly volumes?: readonly Volume[]
  readonly affinity?: {
    readonly podAntiAffinity?: { readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly AffinityTerm[] }
  }
  readonly topologySpreadConstraints?: readonly {
    readonly maxSkew: number
    readonly minDomains?: number
    readonly topologyKey: string
    readonly whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'
  }[]
}

export interface AffinityTerm {
  readonly topologyKey: string
  readonly labelSelector?: LabelSelector
  readonly matchLabelKeys?: readonly string[]
}

/** What a container may do; the pod's own holds where the container says nothing. */
export interface SecurityContext {
  readonly runAsNonRoot?: boolean
  readonly runAsUser?: number
  readonly seccompProfile?: { readonly type: string }
  readonly allowPrivilegeEscalation?: boolean
  readonly privileged?: boolean
  readonly readOnlyRootFilesystem?: boolean
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] }
}

export interface Container {
  readonly name: string
  readonly image: string
  /** `Always` makes a sidecar of an init container: it runs as long as the pod does. */
  readonly restartPolicy?: string
  readonly env?: readonly {
    readonly name: string
    readonly value?: string
    readonly valueFrom?: { readonly secretKeyRef?: KeyReference; readonly configMapKeyRef?: KeyReference }
  }[]
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string; readonly optional?: boolean }
    readonly secretRef?: { readonly name: string; readonly optional?: boolean }
  }[]
  readonly ports?: readonly ContainerPort[]
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>
    readonly limits?: Readonly<Record<string, string | number>>
  }
  readonly securityContext?: SecurityContext
  readonly livenessProbe?: ProbeSpec
  readonly readinessProbe?: ProbeSpec
  readonly startupProbe?: ProbeSpec
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly hostPort?: number
  /** @default 'TCP' */
  readonly protocol?: string
}

/** One key of a Secret or ConfigMap. */
export interface KeyReference {
  readonly name: string
  readonly key: string
  readonly optional?: boolean
}

export interface ProbeSpec {
  readonly httpGet?: { readonly port: string | number; readonly path?: string; readonly host?: string }
  readonly tcpSocket?: { readonly port: string | number; readonly host?: string }
}

/** Keys of a Secret or ConfigMap that become files; without them, all of them. */
type Items = readonly { readonly key: string }[]

export interface Volume {
  readonly name: string
  readonly secret?: { readonly secretName?: string; readonly optional?: boolean; readonly items?: Items }
  readonly configMap?: { readonly name?: string; readonly optional?: boolean; readonly items?: Items }
  readonly persistentVolumeClaim?: { readonly claimName: string }
  readonly ephemeral?: { readonly volumeClaimTemplate: { readonly spec: { readonly storageClassName?: string } } }
  readonly hostPath?: { readonly path: string }
  readonly projected?: {
    readonly sources?: readonly {
      readonly secret?: { readonly name?: string; readonly optional?: boolean; readonly items?: Items }
      readonly configMap?: { readonly name?: string; readonly optional?: boolean; readonly items?: Items }
    }[]
  }
}

/** A selector as Kubernetes' objects hold it. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values?: readonly string[]
  }[]
}

/** Every container of a pod, those that run before the others included. */
export function containersOf(pod: PodSpec): readonly Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers]
}

/** The containers that run as long as the pod does: sidecars and the containers proper. */
export function lastingContainersOf(pod: PodSpec): readonly Container[] {
  return containersOf(pod).filter((one) => pod.containers.includes(one) || one.restartPolicy === 'Always')
}

/** Whether labels satisfy a selector; an empty one matches everything. */
export function matches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const pairs = Object.entries(selector.matchLabels ?? {})
  return (
    pairs.every(([key, value]) => labels[key] === value) &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
      }
    })
  )
}

/** Whether a selector says nothing, and so matches everything. */
export function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0
}

/** A selector as `kubectl --selector` takes it: `app=agent,tier in (a,b)`. */
export function selectorText(selector: LabelSelector): string {
  const pairs = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) =>
    [key, operator, ...(values === undefined ? [] : [`(${values.join(',')})`])].join(' '),
  )
  return [...pairs, ...expressions].join(',')
}
