import { minor, newestKubernetes } from '../config/cluster-settings.ts'
import { apiLifecycles } from './api-lifecycle.ts'
import { type Check, problemWith } from './check.ts'

/**
 * Every object can be applied, today and after the next upgrades: from the Kubernetes that the environment runs at
 * least to the newest that Regent supports, its API version is served and not about to go. kubectl refuses the whole
 * tree for one kind that it cannot map, so an upgrade of the cluster would stop every deployment.
 */
export const apiVersions: Check = (index) =>
  index.manifests.flatMap((manifest) => {
    const oldest = index.cluster.kubernetesVersion
    const lifecycle = apiLifecycles.find(
      ({ apiVersion, kinds }) => apiVersion === manifest.apiVersion && kinds.includes(manifest.kind),
    )
    if (lifecycle === undefined) return []
    const { introduced = 0, deprecated = Infinity, removed = Infinity, replacement } = lifecycle
    const fate =
      removed <= minor(newestKubernetes)
        ? `which Kubernetes 1.${removed} does not serve any more`
        : deprecated <= minor(newestKubernetes)
          ? `which is deprecated since Kubernetes 1.${deprecated}`
          : undefined
    const received = `'apiVersion' (${manifest.apiVersion})`
    if (fate !== undefined)
      return problemWith(index, manifest, {
        received: `${received}, ${fate},`,
        expected: `a version that lasts from Kubernetes ${oldest} to ${newestKubernetes}`,
        fix: replacement === undefined ? 'do without it' : `use ${replacement}`,
      })
    if (introduced <= minor(oldest)) return []
    return problemWith(index, manifest, {
      received: `${received} and 'cluster.kubernetesVersion' (${oldest})`,
      expected: `Kubernetes 1.${introduced} or newer for a ${manifest.kind}`,
      fix: `raise 'cluster.kubernetesVersion' to 1.${introduced}, if the cluster runs it, or do without the object`,
    })
  })
