/** One Kubernetes object as it will be written: plain data. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** How an object is named in problems: `Deployment regent-system/regent-agent-dev`. */
export function manifestName(manifest: Manifest): string {
  const { name, namespace } = manifest.metadata
  return `${manifest.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}
