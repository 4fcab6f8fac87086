import { annotations } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'

export interface NamespaceProps {
  readonly name: string
  /** Minor version of Kubernetes whose Pod Security standard holds, so that an upgrade changes nothing by itself. */
  readonly podSecurityVersion: string
  readonly repositoryUrl: string
  readonly regionWeight: number
  /** Hard limits of the ResourceQuota, by its own names: `requests.cpu`. */
  readonly quota: Readonly<Record<string, string>>
  /** What a container gets that says nothing. */
  readonly containerDefaults: {
    readonly requests: Readonly<Record<string, string>>
    readonly limits: Readonly<Record<string, string>>
  }
}

/** A namespace under Pod Security `restricted`, with its quota and the defaults of its containers. */
export class Namespace extends Construct {
  constructor(scope: Construct, id: string, props: NamespaceProps) {
    super(scope, id)
    const { name } = props
    new k8s.KubeNamespace(this, 'namespace', {
      metadata: {
        name,
        labels: podSecurity(props.podSecurityVersion),
        annotations: {
          [annotations.sourceRepository]: props.repositoryUrl,
          [annotations.regionWeight]: String(props.regionWeight),
        },
      },
    })
    new k8s.KubeResourceQuota(this, 'quota', {
      metadata: { name: 'regent-quota', namespace: name },
      spec: { hard: quantities(props.quota) },
    })
    new k8s.KubeLimitRange(this, 'limits', {
      metadata: { name: 'regent-limits', namespace: name },
      spec: {
        limits: [
          {
            type: 'Container',
            defaultRequest: quantities(props.containerDefaults.requests),
            default: quantities(props.containerDefaults.limits),
          },
        ],
      },
    })
  }
}

function podSecurity(version: string): Record<string, string> {
  const modes = ['enforce', 'audit', 'warn']
  return Object.fromEntries(
    modes.flatMap((mode) => [
      [`pod-security.kubernetes.io/${mode}`, 'restricted'],
      [`pod-security.kubernetes.io/${mode}-version`, `v${version}`],
    ]),
  )
}

function quantities(amounts: Readonly<Record<string, string>>): Record<string, k8s.Quantity> {
  return Object.fromEntries(Object.entries(amounts).map(([key, amount]) => [key, k8s.Quantity.fromString(amount)]))
}
