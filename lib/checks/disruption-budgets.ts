import { objectNames } from '@regent/contract/names.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { type Manifest, manifestName } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { scaled } from './int-or-percent.ts'
import type { LabelSelector } from './pods.ts'
import { selectedBy, type Workload, workloadsOf } from './workloads.ts'

interface BudgetSpec {
  readonly selector?: LabelSelector
  readonly minAvailable?: number | string
  readonly maxUnavailable?: number | string
}

/**
 * A disruption budget lets a drain end and keeps the service up meanwhile. One that allows no eviction stops the
 * upgrade of a node until somebody deletes it; without one a drain may evict every replica at once; and one that lets
 * too many of etcd's members go loses quorum, and with it every write.
 *
 * It binds voluntary disruptions alone: a node that dies asks no budget.
 */
export const disruptionBudgets: Check = (index) => {
  const workloads = workloadsOf(index)
  const budgets = index.ofKind('PodDisruptionBudget')
  const guarded = new Set<Workload>()
  const problems = budgets.flatMap((budget) => {
    const spec = budget['spec'] as BudgetSpec
    const selected = selectedBy(workloads, budget.metadata.namespace, spec.selector ?? {})
    selected.forEach((workload) => guarded.add(workload))
    return selected.flatMap((workload) => budgetProblems(index, budget, spec, workload))
  })
  return [...problems, ...workloads.filter((one) => !guarded.has(one)).flatMap((one) => unguarded(index, one))]
}

function budgetProblems(
  index: ManifestIndex,
  budget: Manifest,
  { minAvailable, maxUnavailable }: BudgetSpec,
  workload: Workload,
): readonly Problem[] {
  if ((minAvailable === undefined) === (maxUnavailable === undefined))
    return [
      problemWith(index, budget, {
        received:
          minAvailable === undefined
            ? `neither 'minAvailable' nor 'maxUnavailable'`
            : `'minAvailable' (${minAvailable}) and 'maxUnavailable' (${String(maxUnavailable)})`,
        expected: 'exactly one of the two',
        fix: minAvailable === undefined ? 'set one of them' : 'remove one of them',
      }),
    ]
  const replicas = workload.replicas
  const allowed = allowedDisruptions(replicas, minAvailable, maxUnavailable)
  const stated =
    minAvailable === undefined ? `'maxUnavailable' (${String(maxUnavailable)})` : `'minAvailable' (${minAvailable})`
  const received = `${stated} for the ${replicas} 'replicas' of ${manifestName(workload.manifest)}, which allows ${allowed} of them to go,`
  const problems: Problem[] = []
  if (allowed <= 0)
    problems.push(
      problemWith(index, budget, {
        received,
        expected: 'a budget that lets at least one pod go: no drain of its nodes could ever end',
        fix: replicas === 1 ? 'remove the budget or run two replicas' : `set 'maxUnavailable' to 1 or add replicas`,
      }),
    )
  const tolerated = Math.floor((replicas - 1) / 2)
  if (isConsensus(workload) && allowed > tolerated)
    problems.push(
      problemWith(index, budget, {
        received,
        expected: `at most ${tolerated} to go: ${replicas} members of etcd need ${replicas - tolerated} for quorum`,
        fix:
          tolerated === 0
            ? 'remove the budget, or run three members'
            : `set 'minAvailable' to ${replicas - tolerated} or more`,
      }),
    )
  return problems
}

/**
 * The evictions that a budget allows while every pod is healthy. Kubernetes rounds a share of either kind up.
 *
 * @see https://kubernetes.io/docs/tasks/run-application/configure-pdb/#rounding-logic-when-specifying-percentages
 */
function allowedDisruptions(
  replicas: number,
  minAvailable: number | string | undefined,
  maxUnavailable: number | string | undefined,
): number {
  return minAvailable === undefined
    ? Math.min(replicas, scaled(maxUnavailable ?? 0, replicas, 'up'))
    : Math.max(0, replicas - scaled(minAvailable, replicas, 'up'))
}

function isConsensus({ podLabels }: Workload): boolean {
  return podLabels['app.kubernetes.io/name'] === objectNames.consensus
}

function unguarded(index: ManifestIndex, { manifest, replicas }: Workload): readonly Problem[] {
  if (!['Deployment', 'StatefulSet'].includes(manifest.kind) || replicas < 2) return []
  return [
    problemWith(index, manifest, {
      received: `'replicas' (${replicas}) without a PodDisruptionBudget`,
      expected: 'a budget for more than one replica: a drain may evict all at once',
      fix: "add a PodDisruptionBudget with 'maxUnavailable' 1",
    }),
  ]
}
