import { agent, apiKeyFolder, clientCertificateFolder, controlPlaneCaFolder } from '@regent/contract/agent.ts'
import { controlPlaneToken } from '@regent/contract/control-plane.ts'
import { filled, namespaceNames, objectNames, priorityClassNames } from '@regent/contract/names.ts'
import type { Part } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import type { DeepReadonly } from '../config/environment.ts'
import type { Images } from '../images/lock.ts'
import { comesFrom } from '../output/provenance.ts'
import { External } from '../output/external.ts'
import { disruptionBudget } from '../workload/disruption-budget.ts'
import { selectorLabels, workloadLabels } from '../workload/identity.ts'
import { type MountedVolume, mountsOf, secretVolume, tokenVolume } from '../workload/mounted-volume.ts'
import { podTemplate } from '../workload/pod-template.ts'
import { activeAccess, ProgramAccess } from '../workload/program-access.ts'
import { programContainer, scratchVolumes } from '../workload/program-container.ts'
import { preferredSpread } from '../workload/spread.ts'
import { apiTokenWaiver, imageWaivers, recreateWaiver, replicaWaiver, waiverAnnotations } from '../workload/waivers.ts'
import { AdmissionFence } from './admission-fence.ts'
import { agentIdentity, agentName } from './identity.ts'
import type { AgentSettings } from './settings.ts'
import { electionTiming } from './timing.ts'

/** The control plane that an agent connects to, as whoever composes the environment knows it. */
export interface AgentsControlPlane {
  readonly url: string
  /** Secret with its certificate authority under `ca.crt`; none where public ones are trusted or TLS is off. */
  readonly caSecretName: string | undefined
  /** Secret with what the agent proves itself by; none where the ServiceAccount's token is proof enough. */
  readonly proof: AgentsProof | undefined
}

/** A Secret with the agent's API key under `key`, or with its client certificate under `tls.crt` and `tls.key`. */
export interface AgentsProof {
  readonly kind: 'apiKey' | 'clientCertificate'
  readonly secretName: string
}

export interface AgentProps {
  readonly settings: DeepReadonly<AgentSettings>
  readonly region: string
  readonly images: Images
  readonly controlPlane: AgentsControlPlane
  /** Whether the cluster enforces ValidatingAdmissionPolicies (Kubernetes 1.30). */
  readonly fenced: boolean
}

/**
 * An agent: replicas of one program of which one leads. With its permissions, its budget, and the fence that holds
 * where the election alone would not.
 */
export class Agent extends Construct {
  /** The optional parts of the program that are on. */
  readonly parts: ReadonlySet<Part>

  constructor(scope: Construct, id: string, props: AgentProps) {
    super(scope, id)
    comesFrom(this, 'agent')
    const { settings } = props
    const name = agentName(settings.id)
    const namespace = namespaceNames.system
    const identity = agentIdentity(settings.id)
    const parts = partsOf(props)
    this.parts = parts
    const placeholders = { agentId: settings.id }
    const volumes = proofVolumes(props.controlPlane)

    new ProgramAccess(this, 'access', { program: agent, parts, identity, name, namespace, placeholders })
    const image = props.images.reference('agent')
    new k8s.KubeDeployment(this, 'deployment', {
      metadata: {
        name,
        namespace,
        labels: workloadLabels(identity),
        annotations: waiverAnnotations([
          ...imageWaivers(image),
          apiTokenWaiver,
          replicaWaiver(settings.replicas),
          ...(settings.leaderElection.enabled ? [] : [recreateWaiver]),
        ]),
      },
      spec: {
        replicas: settings.replicas,
        // Without election a surging pod would be a second agent that evicts the first.
        strategy: settings.leaderElection.enabled
          ? {
              type: 'RollingUpdate',
              rollingUpdate: {
                maxUnavailable: k8s.IntOrString.fromNumber(0),
                maxSurge: k8s.IntOrString.fromNumber(1),
              },
            }
          : { type: 'Recreate' },
        selector: { matchLabels: selectorLabels(identity) },
        template: podTemplate({
          identity,
          container: programContainer({
            program: agent,
            parts,
            image,
            resources: settings.resources,
            settings: {
              agentId: settings.id,
              replicas: settings.replicas,
              region: props.region,
              controlPlaneUrl: props.controlPlane.url,
              sessionNamespace: namespaceNames.sessions,
              maxSessions: settings.sessions.maxSessions,
              maxCpu: settings.sessions.maxCpu,
              maxMemory: settings.sessions.maxMemory,
              leaderElection: settings.leaderElection.enabled,
              drainBudgetSeconds: settings.drainBudgetSeconds,
              ...(props.controlPlane.proof?.kind === 'clientCertificate' && {
                clientCertificateFile: `${clientCertificateFolder}/tls.crt`,
                clientKeyFile: `${clientCertificateFolder}/tls.key`,
              }),
              logLevel: settings.logLevel,
              ...(settings.leaderElection.enabled && {
                ...electionTiming(settings.leaderElection),
                peerEvidence: settings.leaderElection.evidence.peers,
                podEvidence: settings.leaderElection.evidence.pods,
              }),
            },
            volumeMounts: mountsOf(volumes),
          }),
          serviceAccountName: name,
          mountsApiToken: true,
          priorityClassName: priorityClassNames.agent,
          terminationGracePeriodSeconds: settings.terminationGracePeriodSeconds,
          volumes: [...scratchVolumes(agent), ...volumes.map(({ volume }) => volume)],
          topologySpreadConstraints: preferredSpread(identity),
        }),
      },
    })
    new k8s.KubeService(this, 'service', {
      metadata: { name, namespace, labels: workloadLabels(identity) },
      spec: {
        type: 'ClusterIP',
        selector: selectorLabels(identity),
        ports: [
          {
            name: 'health',
            port: agent.ports.health.number,
            targetPort: k8s.IntOrString.fromString('health'),
            protocol: 'TCP',
            appProtocol: agent.ports.health.speaks,
          },
        ],
      },
    })
    if (settings.replicas > 1) {
      disruptionBudget(this, 'disruption-budget', {
        name,
        namespace,
        identity,
        minAvailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      })
    }
    if (settings.leaderElection.enabled) {
      // The replicas would create it themselves. But the fence refuses everybody while its parameter is missing, also
      // the controller that puts `kube-root-ca.crt` into the namespace, and the election has to begin somewhere.
      new k8s.KubeLease(this, 'lease', {
        metadata: { name: filled(objectNames.agentLease, placeholders), namespace, labels: workloadLabels(identity) },
      })
    }
    if (settings.leaderElection.enabled && props.fenced) {
      new AdmissionFence(this, 'fence', {
        identity,
        name: `${name}-fence`,
        leaseName: filled(objectNames.agentLease, placeholders),
        leaseNamespace: namespace,
        serviceAccountName: name,
        fencedNamespace: namespaceNames.sessions,
        access: activeAccess(agent, parts).filter((access) => access.in === 'sessions'),
      })
    }
    const { proof, caSecretName } = props.controlPlane
    if (proof !== undefined) {
      new External(this, proof.kind === 'apiKey' ? 'api-key' : 'client-certificate', {
        kind: 'Secret',
        namespace,
        name: proof.secretName,
        keys: proofKeys[proof.kind],
        purpose:
          proof.kind === 'apiKey'
            ? 'API key of the agent at its control plane'
            : `client certificate of the agent at its control plane, with the common name agent:${settings.id}`,
      })
      if (caSecretName !== undefined) {
        new External(this, 'control-plane-ca', {
          kind: 'Secret',
          namespace,
          name: caSecretName,
          keys: ['ca.crt'],
          purpose: 'certificate authority of the control plane',
        })
      }
    }
  }
}

const proofKeys = { apiKey: ['key'], clientCertificate: ['tls.crt', 'tls.key'] } as const

function partsOf({ settings, controlPlane }: AgentProps): ReadonlySet<Part> {
  const parts = new Set<Part>([controlPlane.proof?.kind ?? 'serviceAccountToken'])
  if (settings.leaderElection.enabled) {
    parts.add('election')
    if (settings.leaderElection.evidence.pods) parts.add('podEvidence')
  }
  if (controlPlane.caSecretName !== undefined) parts.add('controlPlaneTls')
  return parts
}

/** What an agent proves itself with, and what it checks the control plane against. */
function proofVolumes({ proof, caSecretName }: AgentsControlPlane): readonly MountedVolume[] {
  const own = proof === undefined ? tokenVolume('control-plane-token', controlPlaneToken) : proofVolume(proof)
  if (caSecretName === undefined) return [own]
  return [own, secretVolume('control-plane-ca', controlPlaneCaFolder, caSecretName, ['ca.crt'])]
}

function proofVolume({ kind, secretName }: AgentsProof): MountedVolume {
  return kind === 'apiKey'
    ? secretVolume('api-key', apiKeyFolder, secretName, proofKeys.apiKey)
    : secretVolume('client-certificate', clientCertificateFolder, secretName, proofKeys.clientCertificate)
}
