import type { Problem } from '@regent/contract/problem.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { containerLimitsOf, defaultsOf, type LimitRangeItem, quantityOf } from './pod-resources.ts'
import { type Container, containersOf } from './pods.ts'
import { parseQuantity, printQuantity } from '../config/quantity.ts'
import { type Workload, workloadsOf } from './workloads.ts'

/**
 * Containers stay within the LimitRange of their namespace. The API server refuses the pods of one that does not, not
 * the workload: it is accepted and never starts.
 */
export const limitRanges: Check = (index) =>
  workloadsOf(index).flatMap((workload) =>
    containerLimitsOf(index, workload.namespace).flatMap((item) =>
      containersOf(workload.template.spec).flatMap((container) => containerProblems(index, workload, item, container)),
    ),
  )

function containerProblems(
  index: ManifestIndex,
  { manifest, namespace }: Workload,
  { max = {}, min = {}, maxLimitRequestRatio = {} }: LimitRangeItem,
  container: Container,
): readonly Problem[] {
  const defaults = defaultsOf(index, namespace)
  const stated = (part: 'requests' | 'limits', resource: string) =>
    quantityOf(container, part, resource, defaults) ?? 0n
  const problem = (received: string, expected: string, fix: string): Problem =>
    problemWith(index, manifest, { received: `${received} of container '${container.name}'`, expected, fix })
  return [
    ...Object.entries(max).flatMap(([resource, most]) => {
      const limit = stated('limits', resource)
      if (limit <= (parseQuantity(most) ?? 0n)) return []
      return problem(
        `'limits.${resource}' (${printQuantity(limit, resource)})`,
        `at most the 'max' (${most}) of the LimitRange of namespace '${String(namespace)}'`,
        `lower it to ${most} or raise the LimitRange`,
      )
    }),
    ...Object.entries(min).flatMap(([resource, least]) => {
      const request = stated('requests', resource)
      if (request >= (parseQuantity(least) ?? 0n)) return []
      return problem(
        `'requests.${resource}' (${printQuantity(request, resource)})`,
        `at least the 'min' (${least}) of the LimitRange of namespace '${String(namespace)}'`,
        `raise it to ${least} or lower the LimitRange`,
      )
    }),
    ...Object.entries(maxLimitRequestRatio).flatMap(([resource, ratio]) => {
      const limit = stated('limits', resource)
      const request = stated('requests', resource)
      // A ratio is a quantity too: both sides are in billionths, so the product needs one scale less.
      if (limit * 10n ** 9n <= request * (parseQuantity(ratio) ?? 0n)) return []
      return problem(
        `'limits.${resource}' (${printQuantity(limit, resource)}) and 'requests.${resource}' (${printQuantity(request, resource)})`,
        `a limit of at most ${ratio} times the request, as the LimitRange of namespace '${String(namespace)}' says`,
        'raise the request or lower the limit',
      )
    }),
  ]
}
