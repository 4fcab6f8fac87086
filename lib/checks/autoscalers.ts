import { agent } from '@regent/contract/agent.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { objectNames } from '@regent/contract/names.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { type Manifest, manifestName } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { lastingContainersOf } from './pods.ts'
import { type AutoscalerMetric, type AutoscalerSpec, type Workload, workloadsOf } from './workloads.ts'

/** Every metric that a program of Regent exports. */
const exported: readonly string[] = [...Object.values(agent.metrics), ...Object.values(controlPlane.metrics)].map(
  ({ name }) => name,
)

/**
 * An autoscaler can scale, and nothing works against it. With a metric that nobody exports, or a share of a request
 * that is not set, Kubernetes only notes a condition on the autoscaler and the service stays as small as it is; a
 * number of replicas beside it is restored on every apply; and etcd loses members when anything but its own procedure
 * scales it.
 */
export const autoscalers: Check = (index) => {
  const workloads = workloadsOf(index)
  const owners = new Map<Workload, Manifest>()
  return index.ofKind('HorizontalPodAutoscaler').flatMap((manifest) => {
    const spec = manifest['spec'] as AutoscalerSpec
    const { kind, name } = spec.scaleTargetRef
    const target = workloads.find(
      (one) =>
        one.manifest.kind === kind &&
        one.manifest.metadata.name === name &&
        one.namespace === manifest.metadata.namespace,
    )
    const owner = target && owners.get(target)
    if (target !== undefined && owner === undefined) owners.set(target, manifest)
    return [
      ...rangeProblems(index, manifest, spec),
      ...metricProblems(index, manifest, spec, target),
      ...(target === undefined ? [] : targetProblems(index, manifest, target, owner)),
    ]
  })
}

function rangeProblems(index: ManifestIndex, manifest: Manifest, spec: AutoscalerSpec): readonly Problem[] {
  const { minReplicas = 1, maxReplicas } = spec
  if (minReplicas <= maxReplicas) return []
  return [
    problemWith(index, manifest, {
      received: `'minReplicas' (${minReplicas}) and 'maxReplicas' (${maxReplicas})`,
      expected: `'minReplicas' less than or equal to 'maxReplicas'`,
      fix: `lower 'minReplicas' to ${maxReplicas} or raise 'maxReplicas' to ${minReplicas}`,
    }),
  ]
}

function metricProblems(
  index: ManifestIndex,
  manifest: Manifest,
  { metrics = [] }: AutoscalerSpec,
  target: Workload | undefined,
): readonly Problem[] {
  if (metrics.length === 0)
    return [
      problemWith(index, manifest, {
        received: `no 'metrics'`,
        expected: 'at least one metric to scale by',
        fix: 'add a metric or remove the autoscaler',
      }),
    ]
  return metrics.flatMap((metric) => {
    const name = (metric.pods ?? metric.object ?? metric.external)?.metric.name
    if (name !== undefined && !exported.includes(name))
      return problemWith(index, manifest, {
        received: `a ${metric.type} metric '${name}'`,
        expected: `a metric that a program exports: ${exported.join(', ')}`,
        fix: 'scale by one of them, or export the metric',
      })
    return target === undefined ? [] : requestProblems(index, manifest, metric, target)
  })
}

/** Use is measured in percent of the request, so every container that is measured must have one. */
function requestProblems(
  index: ManifestIndex,
  manifest: Manifest,
  { resource, containerResource }: AutoscalerMetric,
  { manifest: workload, template }: Workload,
): readonly Problem[] {
  const measured = containerResource ?? resource
  if (measured === undefined || (measured.target?.type ?? 'Utilization') !== 'Utilization') return []
  const containers = lastingContainersOf(template.spec).filter(
    ({ name }) => containerResource === undefined || name === containerResource.container,
  )
  if (containerResource !== undefined && containers.length === 0)
    return [
      problemWith(index, manifest, {
        received: `a metric of container '${containerResource.container}', which ${manifestName(workload)} does not have,`,
        expected: `one of its containers: ${template.spec.containers.map(({ name }) => name).join(', ')}`,
        fix: 'name one of them',
      }),
    ]
  const without = containers.filter(({ resources }) => resources?.requests?.[measured.name] === undefined)
  return without.map(({ name }) =>
    problemWith(index, manifest, {
      received: `a metric of '${measured.name}', which container '${name}' of ${manifestName(workload)} does not request,`,
      expected: `a request of '${measured.name}' by every container that is measured`,
      fix: `set 'resources.requests.${measured.name}' of the container`,
    }),
  )
}

function targetProblems(
  index: ManifestIndex,
  manifest: Manifest,
  target: Workload,
  owner: Manifest | undefined,
): readonly Problem[] {
  const problems: Problem[] = []
  if (owner !== undefined)
    problems.push(
      problemWith(index, manifest, {
        received: `${manifestName(target.manifest)} as target, which ${manifestName(owner)} scales too,`,
        expected: 'one autoscaler per workload',
        fix: 'put the metrics of both into one autoscaler',
      }),
    )
  if (target.spec.replicas !== undefined)
    problems.push(
      problemWith(index, target.manifest, {
        received: `'replicas' (${target.spec.replicas}) beside ${manifestName(manifest)}`,
        expected: `no 'replicas' where an autoscaler owns them: every apply would set them back`,
        fix: `leave 'replicas' out`,
      }),
    )
  if (target.podLabels['app.kubernetes.io/name'] === objectNames.consensus)
    problems.push(
      problemWith(index, manifest, {
        received: `${manifestName(target.manifest)} as target`,
        expected: 'no autoscaler for etcd: a member joins and leaves by its own procedure',
        fix: 'remove the autoscaler',
      }),
    )
  return problems
}
