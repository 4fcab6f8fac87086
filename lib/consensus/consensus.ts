import { etcd } from '@regent/contract/etcd.ts'
import { etcdRoot } from '@regent/contract/etcd-users.ts'
import { namespaceNames, objectNames, priorityClassNames } from '@regent/contract/names.ts'
import type { Part } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import type { DeepReadonly } from '../config/environment.ts'
import type { Images } from '../images/lock.ts'
import { External } from '../output/external.ts'
import { comesFrom } from '../output/provenance.ts'
import { disruptionBudget } from '../workload/disruption-budget.ts'
import { selectorLabels, workloadLabels } from '../workload/identity.ts'
import { mountsOf, secretVolume } from '../workload/mounted-volume.ts'
import { podTemplate } from '../workload/pod-template.ts'
import { ProgramAccess } from '../workload/program-access.ts'
import { programContainer } from '../workload/program-container.ts'
import { imageWaivers, waiverAnnotations } from '../workload/waivers.ts'
import { etcdFlags, peerTlsFolder, schemeOf, serverTlsFolder, volumeFolder } from './etcd-flags.ts'
import { ConsensusAccess } from './access.ts'
import { consensusIdentity } from './identity.ts'
import { membership } from './membership.ts'
import { memberSpread } from './placement.ts'
import { ReplicaGuard } from './replica-guard.ts'
import type { ConsensusSettings } from './settings.ts'
import { StatefulSet } from './stateful-set.ts'

const tlsKeys = ['tls.crt', 'tls.key', 'ca.crt']
/** Long enough to hand over the leadership of etcd and to write out what is pending. */
const terminationGracePeriodSeconds = 60

export interface ConsensusProps {
  readonly settings: DeepReadonly<ConsensusSettings>
  readonly images: Images
  /** Keeps members of another cluster out: unique per region. */
  readonly clusterToken: string
  /** Number of zones of the cluster. */
  readonly zones: number
  /** Whether the cluster enforces ValidatingAdmissionPolicies (Kubernetes 1.30). */
  readonly guarded: boolean
  /** Whether the environment itself makes the StorageClass of that name. */
  readonly ownsStorageClass: (name: string) => boolean
}

/**
 * A set of etcd members. They start in parallel and bootstrap together: in order, the first would wait for a quorum
 * that never comes. Each keeps its volume and its DNS name.
 */
export class Consensus extends Construct {
  /** URL of the members for clients. */
  readonly clientUrl: string
  /** Secret that a client connects with; none where clients need no certificate. */
  readonly clientTlsSecretName: string | undefined
  /** What keeps etcd's users; none where clients need no certificate, by which alone etcd could know them. */
  readonly access: ConsensusAccess | undefined
  /** The optional parts of the program that are on: etcd has none. */
  readonly parts: ReadonlySet<Part> = new Set()

  constructor(scope: Construct, id: string, props: ConsensusProps) {
    super(scope, id)
    comesFrom(this, 'consensus')
    const { settings } = props
    const { members, storage, tls } = settings
    const name = objectNames.consensus
    const namespace = namespaceNames.system
    const metadata = { name, namespace, labels: workloadLabels(consensusIdentity) }
    const scheme = schemeOf(settings)
    this.clientUrl = `${scheme}://${name}.${namespace}.svc:${etcd.ports.client.number}`
    this.clientTlsSecretName = tls?.clientSecretName

    new ProgramAccess(this, 'access', {
      program: etcd,
      parts: this.parts,
      identity: consensusIdentity,
      name,
      namespace,
      placeholders: {},
    })
    membership(this, 'membership', { namespace, members, scheme })
    const volumes =
      tls === null
        ? []
        : [
            secretVolume('peer-tls', peerTlsFolder, tls.peerSecretName, tlsKeys),
            secretVolume('server-tls', serverTlsFolder, tls.serverSecretName, tlsKeys),
          ]
    const image = props.images.reference('etcd')
    new StatefulSet(this, 'members', {
      metadata: { ...metadata, annotations: waiverAnnotations(imageWaivers(image)) },
      spec: {
        replicas: members,
        serviceName: objectNames.consensusPeers,
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'RollingUpdate' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        selector: { matchLabels: selectorLabels(consensusIdentity) },
        template: podTemplate({
          identity: consensusIdentity,
          container: programContainer({
            program: etcd,
            parts: this.parts,
            settings: {},
            image,
            resources: settings.resources,
            command: ['/usr/local/bin/etcd'],
            args: etcdFlags(settings, namespace, props.clusterToken),
            envFrom: [{ configMapRef: { name: objectNames.consensusMembership } }],
            volumeMounts: [{ name: 'data', mountPath: volumeFolder }, ...mountsOf(volumes)],
          }),
          serviceAccountName: name,
          priorityClassName: priorityClassNames.consensus,
          terminationGracePeriodSeconds,
          volumes: volumes.map(({ volume }) => volume),
          ...memberSpread(members, props.zones),
        }),
        volumeClaimTemplates: [
          {
            metadata: { name: 'data', labels: workloadLabels(consensusIdentity) },
            spec: {
              accessModes: ['ReadWriteOnce'],
              ...(storage.className !== null && { storageClassName: storage.className }),
              resources: { requests: { storage: k8s.Quantity.fromString(storage.size) } },
            },
          },
        ],
      },
    })
    this.addServices(namespace)
    if (members > 1) {
      disruptionBudget(this, 'disruption-budget', {
        name,
        namespace,
        identity: consensusIdentity,
        minAvailable: Math.floor(members / 2) + 1,
        unhealthyPodEvictionPolicy: 'IfHealthyBudget',
      })
    }
    this.access =
      tls === null
        ? undefined
        : new ConsensusAccess(this, 'users', {
            clientUrl: this.clientUrl,
            rootSecretName: tls.rootSecretName,
            resources: tls.accessResources,
            images: props.images,
          })
    if (props.guarded) new ReplicaGuard(this, 'replica-guard', { namespace })
    this.addExternals(props, namespace)
  }

  private addServices(namespace: string): void {
    const labels = workloadLabels(consensusIdentity)
    const port = (name: keyof typeof etcd.ports) => ({
      // The prefix keeps a mesh from taking it for HTTP.
      name: `tcp-${name}`,
      port: etcd.ports[name].number,
      targetPort: k8s.IntOrString.fromString(name),
      protocol: 'TCP',
    })
    new k8s.KubeService(this, 'peers', {
      metadata: { name: objectNames.consensusPeers, namespace, labels },
      spec: {
        clusterIp: 'None',
        // Members find each other before any of them is ready.
        publishNotReadyAddresses: true,
        selector: selectorLabels(consensusIdentity),
        ports: [port('peer'), port('client')],
      },
    })
    new k8s.KubeService(this, 'clients', {
      metadata: { name: objectNames.consensus, namespace, labels },
      spec: { type: 'ClusterIP', selector: selectorLabels(consensusIdentity), ports: [port('client'), port('health')] },
    })
  }

  private addExternals({ settings, ownsStorageClass }: ConsensusProps, namespace: string): void {
    const { tls, storage } = settings
    const secrets =
      tls === null
        ? []
        : [
            { name: tls.peerSecretName, purpose: 'certificate between members of etcd, for every ordinal' },
            { name: tls.serverSecretName, purpose: 'certificate that members of etcd serve clients with' },
            {
              name: tls.clientSecretName,
              purpose: `certificate that the control plane connects to etcd with; common name ${objectNames.controlPlane}`,
            },
            {
              name: tls.rootSecretName,
              purpose: `certificate that users and roles of etcd are kept with; common name ${etcdRoot.name}`,
            },
          ]
    for (const secret of secrets) {
      new External(this, secret.name, { kind: 'Secret', namespace, keys: tlsKeys, ...secret })
    }
    const purpose = 'volumes of etcd'
    if (storage.className === null) {
      new External(this, 'storage', { kind: 'DefaultStorageClass', name: 'default', purpose })
    } else if (!ownsStorageClass(storage.className)) {
      new External(this, 'storage', { kind: 'StorageClass', name: storage.className, purpose })
    }
  }
}
