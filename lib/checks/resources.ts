import type { Problem } from '@regent/contract/problem.ts'
import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { type Container, containersOf } from './pods.ts'
import { parseQuantity } from '../config/quantity.ts'
import { workloadsOf } from './workloads.ts'

const required = ['cpu', 'memory', 'ephemeral-storage']

/**
 * Every container says what it needs and what it may use at most. Without a request the scheduler packs blindly and
 * quotas refuse the pod; without a limit one container starves its node, ephemeral storage included, which evicts the
 * neighbours first.
 */
export const resources: Check = (index) =>
  workloadsOf(index).flatMap(({ manifest, template }) =>
    containersOf(template.spec).flatMap((container) => [
      ...missing(index, manifest, container),
      ...illegible(index, manifest, container),
      ...exceeding(index, manifest, container),
    ]),
  )

function missing(index: ManifestIndex, manifest: Manifest, { name, resources: stated }: Container): readonly Problem[] {
  return (['requests', 'limits'] as const).flatMap((part) => {
    const absent = required.filter((resource) => stated?.[part]?.[resource] === undefined)
    if (absent.length === 0) return []
    return problemWith(index, manifest, {
      received: `container '${name}' without '${part}' of ${absent.join(', ')}`,
      expected: `'${part}' of ${required.join(', ')}`,
      fix: 'state them in the resources of the container',
    })
  })
}

function illegible(
  index: ManifestIndex,
  manifest: Manifest,
  { name, resources: stated }: Container,
): readonly Problem[] {
  return (['requests', 'limits'] as const).flatMap((part) =>
    Object.entries(stated?.[part] ?? {})
      .filter(([, quantity]) => parseQuantity(quantity) === undefined)
      .map(([resource, quantity]) =>
        problemWith(index, manifest, {
          received: `'${part}.${resource}' (${quantity}) of container '${name}'`,
          expected: 'a quantity such as 500m, 4 or 16Gi',
          fix: 'correct the number or its unit',
        }),
      ),
  )
}

function exceeding(
  index: ManifestIndex,
  manifest: Manifest,
  { name, resources: stated }: Container,
): readonly Problem[] {
  return Object.entries(stated?.requests ?? {}).flatMap(([resource, request]) => {
    const limit = stated?.limits?.[resource] ?? ''
    const [least, most] = [parseQuantity(request), parseQuantity(limit)]
    if (least === undefined || most === undefined || least <= most) return []
    return problemWith(index, manifest, {
      received: `'requests.${resource}' (${request}) and 'limits.${resource}' (${limit}) of container '${name}'`,
      expected: 'a request less than or equal to the limit',
      fix: `lower the request to ${limit} or raise the limit to ${request}`,
    })
  })
}
