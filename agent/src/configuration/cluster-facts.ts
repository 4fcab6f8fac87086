import { isIP } from 'node:net'
import { agent } from '@regent/contract/agent.ts'
import { type Problem, printed } from '@regent/contract/problem.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'

const { env } = agent

interface Fact {
  readonly variable: string
  readonly accepts: (text: string) => boolean
  readonly expected: string
  readonly fix: string
}

const fromKubernetes = 'leave it to Kubernetes, which sets it in every container'
const fromKubelet = 'take it from the pod by `valueFrom.fieldRef`, as the manifests do'
// The holder's identity is `podName_podUID_bootUUID`, and the admission fence splits it again.
const isIdentityPart = (text: string): boolean => /^[A-Za-z0-9.-]{1,253}$/.test(text)
const identityPart = 'letters, digits, dots and hyphens'

/** Facts that Kubernetes fills in: the contract takes them as they are, the program relies on their form. */
const facts: readonly Fact[] = [
  {
    variable: env.kubernetesHost.variable,
    accepts: (text) => isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text),
    expected: 'an IP address or a host name',
    fix: fromKubernetes,
  },
  {
    variable: env.kubernetesPort.variable,
    accepts: (text) => /^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535,
    expected: 'a port from 1 to 65535',
    fix: fromKubernetes,
  },
  { variable: env.podName.variable, accepts: isIdentityPart, expected: identityPart, fix: fromKubelet },
  { variable: env.podUid.variable, accepts: isIdentityPart, expected: identityPart, fix: fromKubelet },
  {
    variable: env.podNamespace.variable,
    accepts: (text) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text),
    expected: 'the name of a namespace',
    fix: fromKubelet,
  },
  {
    variable: env.podIp.variable,
    accepts: (text) => isIP(text) !== 0,
    expected: 'an IPv4 or IPv6 address',
    fix: fromKubelet,
  },
]

/** What is wrong with the facts about the pod and the cluster that are there. A missing one is a problem elsewhere. */
export function clusterFactProblems(environment: Environment): readonly Problem[] {
  return facts.flatMap(({ variable, accepts, expected, fix }) => {
    const text = environment[variable]
    if (text === undefined || text === '' || accepts(text)) return []
    return [{ path: variable, received: printed(text), expected, fix, severity: 'error' as const }]
  })
}
