import { Construct } from 'constructs'

export interface ExternalProps {
  readonly kind:
    | 'Secret'
    | 'StorageClass'
    /** Whichever StorageClass the cluster gives to claims that name none. */
    | 'DefaultStorageClass'
    | 'CSIDriver'
    /** An API that another server serves: `v1beta1.metrics.k8s.io`. */
    | 'APIService'
  readonly name: string
  /** Namespace of the object; none for a cluster-scoped kind. */
  readonly namespace?: string
  /** Keys that it must have, for a Secret. */
  readonly keys?: readonly string[]
  /** What it is needed for, and who usually provides it. */
  readonly purpose: string
}

/**
 * Something that the manifests rely on and that somebody else provides. It is written nowhere: the checks accept
 * references to it, and `regent requires` lists it.
 */
export class External extends Construct {
  readonly props: ExternalProps

  constructor(scope: Construct, id: string, props: ExternalProps) {
    super(scope, id)
    this.props = props
  }
}
