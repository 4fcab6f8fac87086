import { ApiObject, type App, Chart } from 'cdk8s'
import type { ClusterSettings } from '../config/cluster-settings.ts'
import type { DeepReadonly } from '../config/environment.ts'
import { External, type ExternalProps } from './external.ts'
import type { Manifest } from './manifest.ts'
import { settingsPathOf } from './provenance.ts'

/** One emitted object, where it belongs in `dist/` and where it comes from. */
export interface IndexedManifest {
  readonly manifest: Manifest
  /** The application of the delivery that it is part of: `0-core`. */
  readonly application: string
  /** Path of the environment that caused it: `agent`. */
  readonly settingsPath: string
}

/** What the checks look at: every object of one environment, what is provided from outside, and the cluster. */
export class ManifestIndex {
  readonly environmentName: string
  readonly entries: readonly IndexedManifest[]
  readonly externals: readonly ExternalProps[]
  readonly cluster: DeepReadonly<ClusterSettings>

  constructor(
    environmentName: string,
    cluster: DeepReadonly<ClusterSettings>,
    entries: readonly IndexedManifest[],
    externals: readonly ExternalProps[] = [],
  ) {
    this.environmentName = environmentName
    this.cluster = cluster
    this.entries = entries
    this.externals = externals
  }

  get manifests(): readonly Manifest[] {
    return this.entries.map(({ manifest }) => manifest)
  }

  /** Every object of a kind. */
  ofKind(kind: string): readonly Manifest[] {
    return this.manifests.filter((manifest) => manifest.kind === kind)
  }

  /** The object of that kind, namespace and name, if this environment emits it. */
  find(kind: string, namespace: string | undefined, name: string): Manifest | undefined {
    return this.ofKind(kind).find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
  }

  /** Whether an object is emitted or declared as provided from outside. */
  resolves(kind: string, namespace: string | undefined, name: string): boolean {
    return (
      this.find(kind, namespace, name) !== undefined ||
      this.externals.some((one) => one.kind === kind && one.namespace === namespace && one.name === name)
    )
  }

  /** Path of the environment that caused an object, with the environment's name in front: `dev.agent`. */
  origin(manifest: Manifest): string {
    const path = this.entries.find((entry) => entry.manifest === manifest)?.settingsPath ?? ''
    return path === '' ? this.environmentName : `${this.environmentName}.${path}`
  }
}

/** Collects what an app emits, in the order of the construct tree. */
export function indexOf(app: App, environmentName: string, cluster: DeepReadonly<ClusterSettings>): ManifestIndex {
  const constructs = app.node.findAll()
  const entries = constructs
    .filter((construct) => ApiObject.isApiObject(construct))
    .map((object) => ({
      manifest: object.toJson() as Manifest,
      application: Chart.of(object).node.id,
      settingsPath: settingsPathOf(object),
    }))
  const externals = constructs.filter((construct) => construct instanceof External).map(({ props }) => props)
  return new ManifestIndex(environmentName, cluster, entries, externals)
}
