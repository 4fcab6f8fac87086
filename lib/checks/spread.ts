import type { Problem } from '@regent/contract/problem.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { scaled } from './int-or-percent.ts'
import { type AffinityTerm, matches } from './pods.ts'
import { surgeOf, type Workload, workloadsOf } from './workloads.ts'

/**
 * Pods that must be kept apart have places to be apart in. Where the cluster has fewer nodes or zones than a rule
 * demands, pods stay Pending; with a required anti-affinity and no pod allowed to be missing, the new pod of an update
 * waits for a node that an old one holds, and the rollout never ends.
 *
 * @see https://github.com/kubernetes/kubernetes/issues/116891
 */
export const spread: Check = (index) =>
  workloadsOf(index).flatMap((workload) => [
    ...antiAffinityProblems(index, workload),
    ...constraintProblems(index, workload),
  ])

/** How many nodes or zones there are, by the label that tells them apart; nothing for any other label. */
function domains(index: ManifestIndex, topologyKey: string): { count: number; setting: string } | undefined {
  switch (topologyKey) {
    case 'kubernetes.io/hostname':
      return { count: index.cluster.nodes, setting: 'cluster.nodes' }
    case 'topology.kubernetes.io/zone':
      return { count: index.cluster.zones.length, setting: 'cluster.zones' }
    default:
      return undefined
  }
}

function antiAffinityProblems(index: ManifestIndex, workload: Workload): readonly Problem[] {
  const { manifest, template, podLabels, maxReplicas } = workload
  if (manifest.kind === 'DaemonSet') return []
  const terms = template.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  return terms
    .filter(({ labelSelector }) => labelSelector !== undefined && matches(labelSelector, podLabels))
    .flatMap((term) => {
      const places = domains(index, term.topologyKey)
      const surge = surgeBeside(workload, term)
      if (places === undefined || maxReplicas + surge <= places.count) return []
      return problemWith(index, manifest, {
        received: `required anti-affinity by '${term.topologyKey}' for 'replicas' (${maxReplicas})${surge === 0 ? '' : ` and 'maxSurge' (${surge}) with 'maxUnavailable' (0)`} and '${places.setting}' (${places.count})`,
        expected: `at least ${maxReplicas + surge} in '${places.setting}', one for each pod`,
        fix: `lower the replicas to ${Math.max(1, places.count - surge)}, add to '${places.setting}', or prefer to spread instead of requiring it`,
      })
    })
}

/**
 * The pods of an update that need places beside all the old ones, because none of those may be missing: a Deployment's
 * share that may be missing is rounded down, by default from a quarter.
 */
function surgeBeside(workload: Workload, { matchLabelKeys = [] }: AffinityTerm): number {
  const { maxReplicas, spec } = workload
  const missing = scaled(spec.strategy?.rollingUpdate?.maxUnavailable ?? '25%', maxReplicas, 'down')
  return missing > 0 || matchLabelKeys.includes('pod-template-hash') ? 0 : surgeOf(workload, maxReplicas)
}

function constraintProblems(index: ManifestIndex, { manifest, template }: Workload): readonly Problem[] {
  return (template.spec.topologySpreadConstraints ?? []).flatMap(
    ({ topologyKey, whenUnsatisfiable, minDomains = 1 }) => {
      const places = domains(index, topologyKey)
      if (whenUnsatisfiable !== 'DoNotSchedule' || places === undefined || minDomains <= places.count) return []
      return problemWith(index, manifest, {
        received: `'minDomains' (${minDomains}) by '${topologyKey}' and '${places.setting}' (${places.count})`,
        expected: `at most as many domains as '${places.setting}' has: pods beyond 'maxSkew' stay Pending`,
        fix: `lower 'minDomains' to ${places.count} or add to '${places.setting}'`,
      })
    },
  )
}
