import type { Problem } from '@regent/contract/problem.ts'
import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'
import { type Container, containersOf, type PodSpec } from './pods.ts'
import { type Workload, workloadsOf } from './workloads.ts'

const enforceLabel = 'pod-security.kubernetes.io/enforce'

/** One thing that is wrong, in the words of a problem. */
type Finding = readonly [received: string, expected: string, fix: string]

/**
 * Pods in namespaces that enforce the `restricted` standard meet it, and the house's own rules on top: a read-only
 * root and a fixed user. The API server refuses the pods and not their workload, so a violation shows only as a
 * Deployment that never becomes available. Everywhere an image has a version, and a pod says whether it gets a token.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */
export const podSecurity: Check = (index) =>
  workloadsOf(index).flatMap((workload) => {
    const pod = workload.template.spec
    return [
      ...tokenFindings(pod),
      ...containersOf(pod).flatMap(imageFindings),
      ...(isRestricted(index, workload)
        ? [...podFindings(pod), ...containersOf(pod).flatMap((one) => containerFindings(pod, one))]
        : []),
    ].map((finding) => asProblem(index, workload.manifest, finding))
  })

function isRestricted(index: ManifestIndex, { namespace = '' }: Workload): boolean {
  return index.find('Namespace', undefined, namespace)?.metadata.labels?.[enforceLabel] === 'restricted'
}

function tokenFindings(pod: PodSpec): readonly Finding[] {
  if (pod.automountServiceAccountToken !== undefined) return []
  return [
    [
      `no 'automountServiceAccountToken'`,
      'true or false: by default every pod gets a token for the Kubernetes API',
      'state whether the pod calls the API',
    ],
  ]
}

function imageFindings({ name, image }: Container): readonly Finding[] {
  const tag = /^[^@]*:([^:/@]+)(@|$)/.exec(image)?.[1]
  if (tag !== undefined && tag !== 'latest') return []
  return [
    [
      `'image' (${image}) of container '${name}'`,
      "an exact version as tag, not 'latest': what runs must not change without a change of the manifest",
      'name the version',
    ],
  ]
}

function podFindings(pod: PodSpec): readonly Finding[] {
  return [
    ...(['hostNetwork', 'hostPID', 'hostIPC'] as const)
      .filter((field) => pod[field] === true)
      .map((field): Finding => [`'${field}' (true)`, 'a pod apart from its node', `remove '${field}'`]),
    ...(pod.volumes ?? [])
      .filter(({ hostPath }) => hostPath !== undefined)
      .map(({ name, hostPath }): Finding => [
        `volume '${name}' with 'hostPath' (${String(hostPath?.path)})`,
        'no volume of the node',
        'use an emptyDir or a claim',
      ]),
  ]
}

function containerFindings(pod: PodSpec, container: Container): readonly Finding[] {
  const { securityContext: own = {}, ports = [], name } = container
  const shared = pod.securityContext ?? {}
  const must = (
    field: string,
    received: string | number | boolean | readonly string[] | undefined,
    fits: boolean,
    allowed: string,
  ): readonly Finding[] => {
    if (fits) return []
    const value = received === undefined ? `no '${field}'` : `'${field}' (${String(received)})`
    return [[`${value} of container '${name}'`, allowed, `set '${field}' of the container or its pod`]]
  }
  const user = own.runAsUser ?? shared.runAsUser
  const nonRoot = own.runAsNonRoot ?? shared.runAsNonRoot
  const seccomp = (own.seccompProfile ?? shared.seccompProfile)?.type
  const { drop = [], add = [] } = own.capabilities ?? {}
  return [
    ...must('runAsNonRoot', nonRoot, nonRoot === true, 'true'),
    ...must('runAsUser', user, user !== undefined && user > 0, 'a fixed user other than 0'),
    ...must('seccompProfile.type', seccomp, seccomp === 'RuntimeDefault', 'RuntimeDefault'),
    ...must('allowPrivilegeEscalation', own.allowPrivilegeEscalation, own.allowPrivilegeEscalation === false, 'false'),
    ...must('privileged', own.privileged, own.privileged !== true, 'false'),
    ...must('readOnlyRootFilesystem', own.readOnlyRootFilesystem, own.readOnlyRootFilesystem === true, 'true'),
    ...must('capabilities.drop', own.capabilities?.drop, drop.includes('ALL'), 'ALL'),
    ...must(
      'capabilities.add',
      add,
      add.every((one) => one === 'NET_BIND_SERVICE'),
      'none but NET_BIND_SERVICE',
    ),
    ...ports
      .filter(({ hostPort = 0 }) => hostPort !== 0)
      .flatMap(({ hostPort }) => must('hostPort', hostPort, false, 'no port of the node')),
    ...(['startupProbe', 'livenessProbe', 'readinessProbe'] as const).flatMap((probe) => {
      const host = (container[probe]?.httpGet ?? container[probe]?.tcpSocket)?.host
      return must(`${probe}.host`, host, host === undefined, 'no host: the kubelet would probe another machine')
    }),
  ]
}

function asProblem(index: ManifestIndex, manifest: Manifest, [received, expected, fix]: Finding): Problem {
  return problemWith(index, manifest, { received, expected, fix })
}
