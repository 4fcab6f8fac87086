import type { ManifestIndex } from '../output/manifest-index.ts'
import type { Container, PodSpec } from './pods.ts'
import { parseQuantity } from '../config/quantity.ts'

/** Whether what is counted is set aside for a container or what it may use at most. */
export type Part = 'requests' | 'limits'

type Quantities = Readonly<Record<string, string | number>>

/** What a LimitRange says of one type of object. */
export interface LimitRangeItem {
  readonly type: string
  readonly max?: Quantities
  readonly min?: Quantities
  readonly default?: Quantities
  readonly defaultRequest?: Quantities
  readonly maxLimitRequestRatio?: Quantities
}

/** What containers of a namespace get where they say nothing. */
export type Defaults = Readonly<Record<Part, Quantities>>

/** The limits that the LimitRanges of a namespace set for its containers. */
export function containerLimitsOf(index: ManifestIndex, namespace: string | undefined): readonly LimitRangeItem[] {
  return index
    .ofKind('LimitRange')
    .filter(({ metadata }) => metadata.namespace === namespace)
    .flatMap((manifest) => (manifest['spec'] as { readonly limits: readonly LimitRangeItem[] }).limits)
    .filter(({ type }) => type === 'Container')
}

/**
 * What containers of a namespace get by default. A limit defaults to the maximum, a request to the limit's default,
 * then to the minimum: the API server fills a LimitRange that way.
 */
export function defaultsOf(index: ManifestIndex, namespace: string | undefined): Defaults {
  const items = containerLimitsOf(index, namespace)
  const limits = Object.assign({}, ...items.map((one) => ({ ...one.max, ...one.default }))) as Quantities
  const requests = Object.assign(
    {},
    ...items.map((one) => ({ ...one.min, ...one.max, ...one.default, ...one.defaultRequest })),
  ) as Quantities
  return { requests, limits }
}

/** What a container requests or is limited to after defaults: a request that is missing is its own limit first. */
export function quantityOf(container: Container, part: Part, resource: string, defaults: Defaults): bigint | undefined {
  const { requests, limits } = container.resources ?? {}
  const own = part === 'requests' ? (requests?.[resource] ?? limits?.[resource]) : limits?.[resource]
  const quantity = own ?? defaults[part][resource]
  return quantity === undefined ? undefined : parseQuantity(quantity)
}

/**
 * What one pod counts for: its containers and sidecars together, or what it needs while an init container runs beside
 * the sidecars before it, whichever is more.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 */
export function podQuantity(pod: PodSpec, part: Part, resource: string, defaults: Defaults): bigint {
  const of = (container: Container): bigint => quantityOf(container, part, resource, defaults) ?? 0n
  let sidecars = 0n
  let starting = 0n
  for (const container of pod.initContainers ?? []) {
    if (container.restartPolicy === 'Always') sidecars += of(container)
    const needed = sidecars + (container.restartPolicy === 'Always' ? 0n : of(container))
    if (needed > starting) starting = needed
  }
  const running = pod.containers.reduce((sum, container) => sum + of(container), sidecars)
  return running > starting ? running : starting
}
