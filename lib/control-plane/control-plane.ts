import { controlPlane, controlPlaneTlsFolder } from '@regent/contract/control-plane.ts'
import { etcdClientTlsFolder } from '@regent/contract/etcd-variables.ts'
import { namespaceNames, objectNames, priorityClassNames } from '@regent/contract/names.ts'
import type { Part } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import type { DeepReadonly } from '../config/environment.ts'
import type { Images } from '../images/lock.ts'
import { External } from '../output/external.ts'
import { comesFrom } from '../output/provenance.ts'
import { disruptionBudget } from '../workload/disruption-budget.ts'
import { selectorLabels, type WorkloadIdentity, workloadLabels } from '../workload/identity.ts'
import { mountsOf, secretVolume } from '../workload/mounted-volume.ts'
import { podTemplate } from '../workload/pod-template.ts'
import { ProgramAccess } from '../workload/program-access.ts'
import { programContainer, scratchVolumes } from '../workload/program-container.ts'
import { preferredSpread } from '../workload/spread.ts'
import { apiTokenWaiver, imageWaivers, replicaWaiver, waiverAnnotations } from '../workload/waivers.ts'
import { autoscaler } from './autoscaler.ts'
import { firstAdministrator } from './first-administrator.ts'
import { proofExternals, proofParts, proofVariables, proofVolumes } from './proofs.ts'
import type { ControlPlaneSettings } from './settings.ts'

/** Labels of the control plane: there is one per environment. */
export const controlPlaneIdentity: WorkloadIdentity = {
  name: 'regent-control-plane',
  instance: 'regent',
  component: 'control-plane',
}

/** Fewest replicas of which 80 % leaves one to evict; below it the budget is a number of pods. */
const fewestForPercentage = 5

export interface ControlPlaneProps {
  readonly settings: DeepReadonly<ControlPlaneSettings>
  readonly region: string
  readonly images: Images
  /** The etcd that holds all state. */
  readonly consensus: { readonly clientUrl: string; readonly clientTlsSecretName: string | undefined }
}

/** The API that agents and people connect to: any number of identical pods in front of etcd. */
export class ControlPlane extends Construct {
  /** URL for agents in the same cluster. */
  readonly agentsUrl: string
  /** Secret with the certificate authority that agents check it against; none without TLS. */
  readonly caSecretName: string | undefined
  /** The optional parts of the program that are on. */
  readonly parts: ReadonlySet<Part>

  constructor(scope: Construct, id: string, props: ControlPlaneProps) {
    super(scope, id)
    comesFrom(this, 'controlPlane')
    const { settings, consensus } = props
    const name = objectNames.controlPlane
    const namespace = namespaceNames.system
    const metadata = { name, namespace, labels: workloadLabels(controlPlaneIdentity) }
    const parts = new Set<Part>()
    if (settings.tlsSecretName !== null) parts.add('controlPlaneTls')
    if (consensus.clientTlsSecretName !== undefined) parts.add('etcdTls')
    for (const part of proofParts(settings)) parts.add(part)
    this.parts = parts
    const volumes = [
      ...(settings.tlsSecretName === null
        ? []
        : [secretVolume('tls', controlPlaneTlsFolder, settings.tlsSecretName, ['tls.crt', 'tls.key'])]),
      ...(consensus.clientTlsSecretName === undefined
        ? []
        : [
            secretVolume('etcd-tls', etcdClientTlsFolder, consensus.clientTlsSecretName, [
              'ca.crt',
              'tls.crt',
              'tls.key',
            ]),
          ]),
      ...proofVolumes(settings),
    ]
    this.caSecretName = settings.tlsSecretName ?? undefined
    const scheme = settings.tlsSecretName === null ? 'http' : 'https'
    this.agentsUrl = `${scheme}://${name}.${namespace}.svc:${controlPlane.ports.agents.number}`

    new ProgramAccess(this, 'access', {
      program: controlPlane,
      parts,
      identity: controlPlaneIdentity,
      name,
      namespace,
      placeholders: {},
    })
    firstAdministrator(this, 'first-administrator', controlPlaneIdentity)
    const image = props.images.reference('control-plane')
    new k8s.KubeDeployment(this, 'deployment', {
      metadata: {
        ...metadata,
        annotations: waiverAnnotations([
          ...imageWaivers(image),
          apiTokenWaiver,
          replicaWaiver(settings.autoscaling?.maxReplicas ?? settings.replicas),
        ]),
      },
      spec: {
        // Where an autoscaler owns the number, writing it here would undo the autoscaler at every apply.
        ...(settings.autoscaling === null && { replicas: settings.replicas }),
        strategy: {
          type: 'RollingUpdate',
          rollingUpdate: { maxUnavailable: k8s.IntOrString.fromNumber(0), maxSurge: k8s.IntOrString.fromNumber(1) },
        },
        selector: { matchLabels: selectorLabels(controlPlaneIdentity) },
        template: podTemplate({
          identity: controlPlaneIdentity,
          container: programContainer({
            program: controlPlane,
            parts,
            image,
            resources: settings.resources,
            settings: {
              region: props.region,
              publicUrl: settings.publicUrl,
              etcdEndpoints: [consensus.clientUrl],
              heartbeatIntervalSeconds: settings.heartbeatIntervalSeconds,
              staleAfterSeconds: settings.staleAfterSeconds,
              drainBudgetSeconds: settings.drainBudgetSeconds,
              mostOpenCommands: settings.mostOpenCommands,
              trustedProxies: settings.trustedProxies,
              ...proofVariables(settings),
              logLevel: settings.logLevel,
            },
            volumeMounts: mountsOf(volumes),
          }),
          serviceAccountName: name,
          // For the keys that sign ServiceAccount tokens, which the API server tells to ServiceAccounts alone.
          mountsApiToken: true,
          priorityClassName: priorityClassNames.controlPlane,
          terminationGracePeriodSeconds: settings.terminationGracePeriodSeconds,
          volumes: [...scratchVolumes(controlPlane), ...volumes.map(({ volume }) => volume)],
          topologySpreadConstraints: preferredSpread(controlPlaneIdentity),
        }),
      },
    })
    new k8s.KubeService(this, 'service', {
      metadata,
      spec: {
        type: 'ClusterIP',
        selector: selectorLabels(controlPlaneIdentity),
        ports: Object.entries(controlPlane.ports).map(([port, { number, speaks }]) => ({
          name: port,
          port: number,
          targetPort: k8s.IntOrString.fromString(port),
          protocol: 'TCP',
          appProtocol: speaks === 'ws' ? 'kubernetes.io/ws' : speaks,
        })),
      },
    })
    if (settings.autoscaling !== null) {
      autoscaler(this, 'autoscaler', { metadata, minReplicas: settings.replicas, settings: settings.autoscaling })
      new External(this, 'resource-metrics', {
        kind: 'APIService',
        name: 'v1beta1.metrics.k8s.io',
        purpose: 'CPU and memory of pods for the HorizontalPodAutoscaler; metrics-server provides it',
      })
    }
    if (settings.replicas > 1) {
      disruptionBudget(this, 'disruption-budget', {
        name,
        namespace,
        identity: controlPlaneIdentity,
        ...(settings.replicas < fewestForPercentage ? { maxUnavailable: 1 } : { minAvailable: '80%' }),
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      })
    }
    if (settings.tlsSecretName !== null) {
      new External(this, 'tls', {
        kind: 'Secret',
        namespace,
        name: settings.tlsSecretName,
        keys: ['tls.crt', 'tls.key', 'ca.crt'],
        purpose: `certificate of the control plane for ${name}.${namespace}.svc and its public name`,
      })
    }
    for (const { id: proof, ...external } of proofExternals(settings)) new External(this, proof, external)
  }
}
