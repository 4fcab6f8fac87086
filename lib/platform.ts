import { agent } from '@regent/contract/agent.ts'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { etcd } from '@regent/contract/etcd.ts'
import { labels } from '@regent/contract/names.ts'
import type { Outsider } from '@regent/contract/program.ts'
import { App, Chart } from 'cdk8s'
import { admissionPolicySince } from './admission-policy/validating-admission-policy.ts'
import { Agent, type AgentsControlPlane, type AgentsProof } from './agent/agent.ts'
import { agentIdentity } from './agent/identity.ts'
import { isAtLeast } from './config/cluster-settings.ts'
import type { Environment } from './config/environment.ts'
import { consensusAccessIdentity } from './consensus/access.ts'
import { Consensus } from './consensus/consensus.ts'
import { consensusIdentity } from './consensus/identity.ts'
import { ControlPlane, controlPlaneIdentity } from './control-plane/control-plane.ts'
import { Foundation } from './foundation/foundation.ts'
import { type ImageLock, Images } from './images/lock.ts'
import type { Caller, Destination, Endpoint } from './network-policy/flows.ts'
import { NetworkPolicies } from './network-policy/network-policies.ts'

/** What an environment consists of, from top to bottom. Each chart is an application of the delivery. */
export function compose(environment: Environment, imageLock: ImageLock): App {
  const { cluster, region } = environment
  const app = new App()
  const core = new Chart(app, '0-core', {
    disableResourceNameHashes: true,
    labels: {
      [labels.environment]: environment.name,
      [labels.region]: region.name,
      'app.kubernetes.io/managed-by': 'regent',
    },
  })
  const images = new Images(imageLock, environment.registry)
  const fenced = isAtLeast(cluster.kubernetesVersion, admissionPolicySince)
  const endpoints: Endpoint[] = []

  const foundation = new Foundation(core, 'foundation', {
    settings: environment.foundation,
    cluster,
    repositoryUrl: environment.repositoryUrl,
    regionWeight: region.weight,
    programs: environment.controlPlane === null ? ['agent'] : ['consensus', 'controlPlane', 'agent'],
    sessions: environment.agent.sessions,
  })

  let agentsControlPlane: AgentsControlPlane | undefined
  if (environment.consensus !== null && environment.controlPlane !== null) {
    const consensus = new Consensus(core, 'consensus', {
      settings: environment.consensus,
      images,
      clusterToken: `regent-${environment.name}`,
      zones: cluster.zones.length,
      guarded: fenced,
      ownsStorageClass: (name) => foundation.storageClassNames.has(name),
    })
    const ours = new ControlPlane(core, 'control-plane', {
      settings: environment.controlPlane,
      region: region.name,
      images,
      consensus,
    })
    endpoints.push(
      { program: controlPlane, parts: ours.parts, identity: controlPlaneIdentity, settingsPath: 'controlPlane' },
      { program: etcd, parts: consensus.parts, identity: consensusIdentity, settingsPath: 'consensus' },
    )
    if (consensus.access !== undefined) {
      const { parts } = consensus.access
      const identity = consensusAccessIdentity
      endpoints.push({ program: consensusAccess, parts, identity, settingsPath: 'consensus.tls' })
    }
    agentsControlPlane = { url: ours.agentsUrl, caSecretName: ours.caSecretName, proof: undefined }
  } else if (environment.agent.controlPlane !== null) {
    const { url, caSecretName } = environment.agent.controlPlane
    const proof = agentsProof(environment.agent.controlPlane)
    agentsControlPlane = { url, caSecretName: caSecretName ?? undefined, proof }
  }
  if (agentsControlPlane === undefined) {
    throw new Error(`${environment.name}: expected a control plane, here or elsewhere; controlPlaneProblems names it`)
  }

  const { parts } = new Agent(core, 'agent', {
    settings: environment.agent,
    region: region.name,
    images,
    controlPlane: agentsControlPlane,
    fenced,
  })
  endpoints.unshift({ program: agent, parts, identity: agentIdentity(environment.agent.id), settingsPath: 'agent' })
  new NetworkPolicies(core, 'network-policies', {
    endpoints,
    apiServer: cluster.apiServer,
    elsewhere: elsewhere(environment),
    callers: callers(environment),
  })
  return app
}

function elsewhere({ agent: { controlPlane: away }, controlPlane: ours }: Environment) {
  const outsiders: Record<string, Destination> = {}
  if (away !== null) outsiders[controlPlane.name] = destination(away.url, away.cidrs)
  const provider: Outsider = 'openIdProvider'
  if (ours?.oidc != null) outsiders[provider] = destination(ours.oidc.issuerUrl, ours.oidc.cidrs)
  return outsiders
}

function destination(url: string, cidrs: readonly string[]): Destination {
  const { port, protocol } = new URL(url)
  return { cidrs, ports: [port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)] }
}

/** What an agent of a control plane elsewhere proves itself by. */
function agentsProof({
  apiKeySecretName,
  clientCertificateSecretName,
}: NonNullable<Environment['agent']['controlPlane']>): AgentsProof {
  const name = apiKeySecretName ?? clientCertificateSecretName
  if (name === null) throw new Error('expected a Secret that the agent proves itself by; agentProblems names it')
  return { kind: apiKeySecretName === null ? 'clientCertificate' : 'apiKey', secretName: name }
}

function callers({ controlPlane: ours }: Environment): readonly Caller[] {
  return ours === null ? [] : [{ to: controlPlane.name, ports: ['api', 'agents'], ...ours.clients }]
}
