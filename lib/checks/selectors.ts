import type { Problem } from '@regent/contract/problem.ts'
import { manifestName } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { isEmptySelector, type LabelSelector, matches, selectorText } from './pods.ts'
import { isKnown, type Peer, podsOf, type PolicySpec } from './policy-peers.ts'
import { selectedBy, type Workload, workloadsOf } from './workloads.ts'

/**
 * Every selector selects what it is there for. Kubernetes accepts any: a Service whose selector matches nothing has no
 * endpoints, a budget that matches nothing protects nothing, and a policy that matches nothing leaves everything open,
 * all without an error. What matches two workloads by accident is as bad: requests for one reach the other.
 */
export const selectors: Check = (index) => {
  const workloads = workloadsOf(index)
  return [
    ...workloads.flatMap((workload) => ownSelectorProblems(index, workloads, workload)),
    ...serviceProblems(index, workloads),
    ...budgetProblems(index, workloads),
    ...policyProblems(index, workloads),
  ]
}

/** Whether a label changes from one version of a workload to the next. */
function isVersioned(key: string): boolean {
  return /hash|version/i.test(key.split('/').at(-1) ?? key)
}

/** A workload's own selector is immutable, so it matches its pods, no one else's, and in every version to come. */
function ownSelectorProblems(
  index: ManifestIndex,
  workloads: readonly Workload[],
  workload: Workload,
): readonly Problem[] {
  const { manifest, spec, podLabels, namespace } = workload
  if (!['Deployment', 'StatefulSet', 'DaemonSet'].includes(manifest.kind)) return []
  const selector = spec.selector ?? {}
  const problems: Problem[] = []
  if (isEmptySelector(selector) || !matches(selector, podLabels))
    problems.push(
      problemWith(index, manifest, {
        received: `'spec.selector' (${selectorText(selector)}) and pods labelled (${selectorText({ matchLabels: podLabels })})`,
        expected: 'a selector that is contained in the labels of the pod template',
        fix: 'add the labels to the pod template or take them out of the selector',
      }),
    )
  const keys = [...Object.keys(selector.matchLabels ?? {}), ...(selector.matchExpressions ?? []).map(({ key }) => key)]
  for (const key of keys.filter(isVersioned))
    problems.push(
      problemWith(index, manifest, {
        received: `'spec.selector' with the label '${key}'`,
        expected: 'labels that never change: a selector is immutable',
        fix: `select by 'app.kubernetes.io/name' and 'app.kubernetes.io/instance' alone`,
      }),
    )
  const others = selectedBy(workloads, namespace, selector).filter((one) => one !== workload)
  if (!isEmptySelector(selector) && others.length > 0)
    problems.push(
      problemWith(index, manifest, {
        received: `'spec.selector' (${selectorText(selector)}), which matches the pods of ${namesOf(others)} too,`,
        expected: "a selector that matches the workload's own pods alone",
        fix: "give each workload an 'app.kubernetes.io/name' of its own",
      }),
    )
  return problems
}

function serviceProblems(index: ManifestIndex, workloads: readonly Workload[]): readonly Problem[] {
  return index.ofKind('Service').flatMap((manifest) => {
    const spec = manifest['spec'] as { readonly selector?: Readonly<Record<string, string>> }
    if (spec.selector === undefined) return []
    const selector = { matchLabels: spec.selector }
    const selected = selectedBy(workloads, manifest.metadata.namespace, selector)
    return exactlyOne(index, manifest, selector, selected, 'Service')
  })
}

function budgetProblems(index: ManifestIndex, workloads: readonly Workload[]): readonly Problem[] {
  return index.ofKind('PodDisruptionBudget').flatMap((manifest) => {
    const selector = (manifest['spec'] as { readonly selector?: LabelSelector }).selector ?? {}
    const selected = selectedBy(workloads, manifest.metadata.namespace, selector)
    return exactlyOne(index, manifest, selector, selected, 'PodDisruptionBudget')
  })
}

function exactlyOne(
  index: ManifestIndex,
  manifest: Parameters<typeof problemWith>[1],
  selector: LabelSelector,
  selected: readonly Workload[],
  kind: string,
): readonly Problem[] {
  if (selected.length === 1) return []
  const found = selected.length === 0 ? 'the pods of no workload' : `the pods of ${namesOf(selected)}`
  return [
    problemWith(index, manifest, {
      received: `'spec.selector' (${selectorText(selector)}), which matches ${found},`,
      expected: `a ${kind} for the pods of exactly one workload in its namespace`,
      fix: "select by the labels of that workload's own selector",
    }),
  ]
}

function policyProblems(index: ManifestIndex, workloads: readonly Workload[]): readonly Problem[] {
  return index.ofKind('NetworkPolicy').flatMap((manifest) => {
    const spec = manifest['spec'] as PolicySpec
    const { namespace } = manifest.metadata
    const own = spec.podSelector ?? {}
    const problems: Problem[] = []
    if (
      !isEmptySelector(own) &&
      isKnown(index, workloads, namespace) &&
      selectedBy(workloads, namespace, own).length === 0
    )
      problems.push(
        problemWith(index, manifest, {
          received: `'spec.podSelector' (${selectorText(own)}), which matches the pods of no workload,`,
          expected: 'a selector that matches pods of its namespace; an empty one matches all',
          fix: "select by the labels of the workload's own selector",
        }),
      )
    const peers: readonly (readonly [string, Peer])[] = [
      ...(spec.ingress ?? []).flatMap(({ from = [] }) => from.map((peer) => ['ingress', peer] as const)),
      ...(spec.egress ?? []).flatMap(({ to = [] }) => to.map((peer) => ['egress', peer] as const)),
    ]
    for (const [direction, peer] of peers)
      for (const pods of podsOf(index, workloads, namespace, peer))
        if (pods.workloads.length === 0)
          problems.push(
            problemWith(index, manifest, {
              received: `'spec.${direction}' with a peer (${selectorText(peer.podSelector ?? {})}) that matches no pod of namespace '${String(pods.namespace)}'`,
              expected: 'peers that exist, where their namespace belongs to this environment',
              fix: "name the peer by the labels of its workload's own selector, in the namespace that it runs in",
            }),
          )
    return problems
  })
}

function namesOf(workloads: readonly Workload[]): string {
  return workloads.map(({ manifest }) => manifestName(manifest)).join(' and ')
}
