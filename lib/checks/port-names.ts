import type { Problem } from '@regent/contract/problem.ts'
import { manifestName } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { containersOf, type ContainerPort, lastingContainersOf, type PodSpec } from './pods.ts'
import { podsOf, type PolicyPort, type PolicySpec } from './policy-peers.ts'
import { selectedBy, type Workload, workloadsOf } from './workloads.ts'

/** Most characters of a container's port name, which is an IANA service name. */
const longestPortName = 15
const portName = /^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/**
 * Every port that something refers to is one that a container declares. Kubernetes accepts any: a Service that targets
 * a port nobody opens refuses connections, a probe of an unknown port restarts its pod for ever, and a policy for the
 * wrong port shows as a timeout.
 */
export const portNames: Check = (index) => {
  const workloads = workloadsOf(index)
  return [
    ...workloads.flatMap((workload) => podProblems(index, workload)),
    ...serviceProblems(index, workloads),
    ...policyProblems(index, workloads),
  ]
}

function podProblems(index: ManifestIndex, { manifest, template }: Workload): readonly Problem[] {
  const problems: Problem[] = []
  const seen = new Set<string>()
  for (const { name } of portsOf(template.spec)) {
    if (name === undefined) continue
    if (seen.has(name))
      problems.push(
        problemWith(index, manifest, {
          received: `two ports named '${name}' in one pod`,
          expected: 'a name for each port of a pod',
          fix: 'rename one of the two',
        }),
      )
    seen.add(name)
    if (name.length > longestPortName || !portName.test(name))
      problems.push(
        problemWith(index, manifest, {
          received: `a port named '${name}' (${name.length} characters)`,
          expected: `at most ${longestPortName} lower-case letters, digits and single hyphens, one letter at least`,
          fix: 'rename the port',
        }),
      )
  }
  for (const container of containersOf(template.spec))
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      const port = (container[probe]?.httpGet ?? container[probe]?.tcpSocket)?.port
      if (typeof port === 'string' && !(container.ports ?? []).some(({ name }) => name === port))
        problems.push(
          problemWith(index, manifest, {
            received: `'${probe}' on port '${port}' of container '${container.name}'`,
            expected: `a port that the container declares: ${printed(container.ports ?? [])}`,
            fix: 'probe one of them or declare the port',
          }),
        )
    }
  return problems
}

interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly targetPort?: number | string
  readonly protocol?: string
}

function serviceProblems(index: ManifestIndex, workloads: readonly Workload[]): readonly Problem[] {
  return index.ofKind('Service').flatMap((manifest) => {
    const { selector, ports = [] } = manifest['spec'] as {
      readonly selector?: Readonly<Record<string, string>>
      readonly ports?: readonly ServicePort[]
    }
    if (selector === undefined) return []
    return selectedBy(workloads, manifest.metadata.namespace, { matchLabels: selector }).flatMap((workload) =>
      ports.flatMap(({ port, targetPort, protocol }) => {
        const wanted = { port: targetPort ?? port, protocol: protocol ?? 'TCP' }
        if (opens(workload, wanted)) return []
        return problemWith(index, manifest, {
          received: `'targetPort' (${wanted.port}) of port ${port}/${wanted.protocol}`,
          expected: `a port that ${manifestName(workload.manifest)} declares: ${printed(portsOf(workload.template.spec))}`,
          fix: "target one of them or declare the container's port",
        })
      }),
    )
  })
}

function policyProblems(index: ManifestIndex, workloads: readonly Workload[]): readonly Problem[] {
  return index.ofKind('NetworkPolicy').flatMap((manifest) => {
    const { podSelector = {}, ingress = [], egress = [] } = manifest['spec'] as PolicySpec
    const { namespace } = manifest.metadata
    // Entered from outside, the pods of the policy itself listen; on the way out, those of each peer do.
    const listeners = [
      ...ingress.map(({ ports = [] }) => ({
        direction: 'ingress',
        ports,
        targets: podsOf(index, workloads, namespace, { podSelector }),
      })),
      ...egress.flatMap(({ to = [], ports = [] }) =>
        to.map((peer) => ({ direction: 'egress', ports, targets: podsOf(index, workloads, namespace, peer) })),
      ),
    ]
    return listeners.flatMap(({ direction, ports, targets }) =>
      targets.flatMap((pods) =>
        ports
          .filter((port) => pods.workloads.length > 0 && !pods.workloads.some((one) => opens(one, port)))
          .map((port) =>
            problemWith(index, manifest, {
              received: `'spec.${direction}' with port ${String(port.port)}/${port.protocol ?? 'TCP'}`,
              expected: `a port that the pods of ${pods.workloads.map((one) => manifestName(one.manifest)).join(' or ')} declare: ${printed(pods.workloads.flatMap((one) => portsOf(one.template.spec)))}`,
              fix: "allow one of them or declare the container's port",
            }),
          ),
      ),
    )
  })
}

/** Every port that a pod declares for as long as it runs. */
function portsOf(pod: PodSpec): readonly ContainerPort[] {
  return lastingContainersOf(pod).flatMap(({ ports = [] }) => ports)
}

/** Whether a workload's pods declare a port, by name or by number; without a port, any. */
function opens({ template }: Workload, { port, endPort, protocol = 'TCP' }: PolicyPort): boolean {
  return portsOf(template.spec).some(
    (declared) =>
      (declared.protocol ?? 'TCP') === protocol &&
      (port === undefined ||
        (typeof port === 'string'
          ? declared.name === port
          : declared.containerPort >= port && declared.containerPort <= (endPort ?? port))),
  )
}

function printed(ports: readonly ContainerPort[]): string {
  if (ports.length === 0) return 'it declares none'
  return ports
    .map(({ name, containerPort, protocol }) => `${name ?? ''} ${containerPort}/${protocol ?? 'TCP'}`.trim())
    .join(', ')
}
