import type { Problem } from '@regent/contract/problem.ts'
import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { type Defaults, defaultsOf, type Part, podQuantity, quantityOf } from './pod-resources.ts'
import { containersOf } from './pods.ts'
import { parseQuantity, printQuantity } from '../config/quantity.ts'
import { type ClaimSpec, surgeOf, type Workload, workloadsOf } from './workloads.ts'

interface QuotaSpec {
  readonly hard?: Readonly<Record<string, string | number>>
  readonly scopes?: readonly string[]
  readonly scopeSelector?: object
}

/** What one object adds to a quota: `regent-control-plane 101 × 500m`. */
interface Share {
  readonly name: string
  readonly count: number
  readonly each: bigint
}

/** One in the unit of quantities. */
const one = 10n ** 9n

/**
 * A namespace's quota has room for everything that the environment itself runs there: every workload at the most that
 * its autoscaler allows, in the middle of an update, at the same time. Too small a quota shows months later, when the
 * load comes and the pods do not.
 *
 * Quotas with scopes count only some pods and are not looked at; nor is what programs create at run time.
 */
export const quotas: Check = (index) => {
  const workloads = workloadsOf(index)
  return index.ofKind('ResourceQuota').flatMap((manifest) => {
    const { hard = {}, scopes, scopeSelector } = manifest['spec'] as QuotaSpec
    if (scopes !== undefined || scopeSelector !== undefined) return []
    const local = workloads.filter(({ namespace }) => namespace === manifest.metadata.namespace)
    const defaults = defaultsOf(index, manifest.metadata.namespace)
    return Object.entries(hard).flatMap(([resource, limit]) => [
      ...excessProblems(index, manifest, resource, limit, sharesOf(index, manifest, resource, local, defaults)),
      ...silentProblems(index, manifest, resource, local, defaults),
    ])
  })
}

/** What a compute resource of a quota counts; both spellings of requests are Kubernetes' own. */
function computeResource(resource: string): { part: Part; name: string } | undefined {
  const [, part, name = ''] = /^(?:(requests|limits)\.)?(cpu|memory|ephemeral-storage)$/.exec(resource) ?? []
  if (name === '') return undefined
  return { part: part === 'limits' ? 'limits' : 'requests', name }
}

/** Who adds how much to a resource of a quota; nothing for a resource that is not looked at. */
function sharesOf(
  index: ManifestIndex,
  quota: Manifest,
  resource: string,
  workloads: readonly Workload[],
  defaults: Defaults,
): readonly Share[] {
  const compute = computeResource(resource)
  if (compute !== undefined)
    return workloads.map((workload) => ({
      name: workload.manifest.metadata.name,
      count: mostPods(workload),
      each: podQuantity(workload.template.spec, compute.part, compute.name, defaults),
    }))
  switch (resource) {
    case 'pods':
    case 'count/pods':
      return workloads.map((workload) => ({
        name: workload.manifest.metadata.name,
        count: mostPods(workload),
        each: one,
      }))
    case 'persistentvolumeclaims':
    case 'count/persistentvolumeclaims':
      return claims(index, quota, workloads).map(({ name, count }) => ({ name, count, each: one }))
    case 'requests.storage':
      return claims(index, quota, workloads).map(({ name, count, spec }) => ({
        name,
        count,
        each: parseQuantity(spec.resources?.requests?.['storage'] ?? 0) ?? 0n,
      }))
    default:
      return []
  }
}

/** Every claim in the quota's namespace: its own objects, and one per replica and template of a StatefulSet. */
function claims(
  index: ManifestIndex,
  quota: Manifest,
  workloads: readonly Workload[],
): readonly { readonly name: string; readonly count: number; readonly spec: ClaimSpec }[] {
  return [
    ...index
      .ofKind('PersistentVolumeClaim')
      .filter(({ metadata }) => metadata.namespace === quota.metadata.namespace)
      .map((claim) => ({ name: claim.metadata.name, count: 1, spec: claim['spec'] as ClaimSpec })),
    ...workloads.flatMap(({ manifest, maxReplicas, spec }) =>
      (spec.volumeClaimTemplates ?? []).map((template) => ({
        name: manifest.metadata.name,
        count: maxReplicas,
        spec: template.spec,
      })),
    ),
  ]
}

/** The most pods that a workload has at once: at its autoscaler's maximum, in the middle of a rolling update. */
function mostPods(workload: Workload): number {
  return workload.maxReplicas + surgeOf(workload, workload.maxReplicas)
}

function excessProblems(
  index: ManifestIndex,
  quota: Manifest,
  resource: string,
  limit: string | number,
  shares: readonly Share[],
): readonly Problem[] {
  const total = shares.reduce((sum, { count, each }) => sum + BigInt(count) * each, 0n)
  if (total <= (parseQuantity(limit) ?? 0n)) return []
  const parts = shares
    .filter(({ each }) => each > 0n)
    .map(({ name, count, each }) => `${name} ${count} × ${printQuantity(each, resource)}`)
  return [
    problemWith(index, quota, {
      received: `'${resource}' (${limit}) for workloads that take ${printQuantity(total, resource)} at their most, updates included (${parts.join(', ')}),`,
      expected: `room for everything that the environment runs in the namespace`,
      fix: `raise '${resource}' to ${printQuantity(total, resource)} or more, or lower replicas, 'maxReplicas' or what a pod takes`,
    }),
  ]
}

/** The API server refuses a pod that does not say how much it takes of what a quota counts. */
function silentProblems(
  index: ManifestIndex,
  quota: Manifest,
  resource: string,
  workloads: readonly Workload[],
  defaults: Defaults,
): readonly Problem[] {
  const compute = computeResource(resource)
  if (compute === undefined) return []
  return workloads.flatMap(({ manifest, template }) =>
    containersOf(template.spec)
      .filter((container) => quantityOf(container, compute.part, compute.name, defaults) === undefined)
      .map(({ name }) =>
        problemWith(index, manifest, {
          received: `container '${name}' without '${compute.part}.${compute.name}'`,
          expected: `a quantity, because ResourceQuota '${quota.metadata.name}' counts '${resource}'`,
          fix: 'state it, or add a default to the LimitRange of the namespace',
        }),
      ),
  )
}
