import { k8s } from 'cdk8s-plus-28'

interface RenderedStatefulSet {
  readonly spec: { readonly volumeClaimTemplates: readonly object[] }
}

/**
 * A StatefulSet whose claim templates say their kind. The API server adds it, so that without it every comparison
 * with the cluster finds a difference; the generated class drops it.
 */
export class StatefulSet extends k8s.KubeStatefulSet {
  override toJson(): object {
    const rendered = super.toJson() as RenderedStatefulSet
    const volumeClaimTemplates = rendered.spec.volumeClaimTemplates.map((template) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      ...template,
    }))
    return { ...rendered, spec: { ...rendered.spec, volumeClaimTemplates } }
  }
}
