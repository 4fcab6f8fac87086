import { Construct } from 'constructs'

export interface ExternalProps {
  readonly kind: 'Secret' | 'StorageClass'
  readonly name: string
  /** Namespace of the object; none for a cluster-scoped kind. */
  readonly namespace?: string
  /** Keys that it must have, for a Secret. */
  readonly keys?: readonly string[]
  /** Who is expected to provide it, and what for. */
  readonly purpose: string
}

/**
 * An object that the manifests refer to and that something else provides. It is written nowhere: the checks accept
 * references to it, and `regent requires` lists it.
 */
export class External extends Construct {
  readonly props: ExternalProps

  constructor(scope: Construct, id: string, props: ExternalProps) {
    super(scope, id)
    this.props = props
  }
}
