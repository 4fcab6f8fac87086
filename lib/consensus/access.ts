import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { etcdClientTlsFolder } from '@regent/contract/etcd-variables.ts'
import { namespaceNames, objectNames, priorityClassNames } from '@regent/contract/names.ts'
import type { Part } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import type { DeepReadonly } from '../config/environment.ts'
import type { Resources } from '../config/fields.ts'
import type { Images } from '../images/lock.ts'
import { selectorLabels, type WorkloadIdentity, workloadLabels } from '../workload/identity.ts'
import { mountsOf, secretVolume } from '../workload/mounted-volume.ts'
import { podTemplate } from '../workload/pod-template.ts'
import { ProgramAccess } from '../workload/program-access.ts'
import { programContainer } from '../workload/program-container.ts'
import { imageWaivers, waiverAnnotations } from '../workload/waivers.ts'

/** Labels of the program that keeps etcd's users. */
export const consensusAccessIdentity: WorkloadIdentity = {
  name: 'regent-consensus-access',
  instance: 'regent',
  component: 'consensus-access',
}

/** What the process needs to end by itself: it has nothing to finish. */
const terminationGracePeriodSeconds = 10

export interface ConsensusAccessProps {
  /** URL of etcd's members for clients. */
  readonly clientUrl: string
  /** Secret with the certificate of etcd's root. */
  readonly rootSecretName: string
  readonly resources: DeepReadonly<Resources>
  readonly images: Images
}

/**
 * The program that keeps etcd's users and roles as the contract declares them. One that runs, and no Job: a Job that is
 * done does not see an etcd that was made anew or changed by hand, which is then open to every certificate, and its
 * template cannot be changed, so that every new image needs another Job. Its rollout ends once etcd is as declared.
 *
 * Nothing depends on its being there: users and roles are in etcd, and work without it.
 */
export class ConsensusAccess extends Construct {
  /** The optional parts of the program that are on: etcd has TLS, or this is not there. */
  readonly parts: ReadonlySet<Part> = new Set<Part>(['etcdTls'])

  constructor(scope: Construct, id: string, props: ConsensusAccessProps) {
    super(scope, id)
    const name = objectNames.consensusAccess
    const namespace = namespaceNames.system
    const certificate = secretVolume('etcd-tls', etcdClientTlsFolder, props.rootSecretName, [
      'ca.crt',
      'tls.crt',
      'tls.key',
    ])
    const image = props.images.reference('control-plane')
    new ProgramAccess(this, 'access', {
      program: consensusAccess,
      parts: this.parts,
      identity: consensusAccessIdentity,
      name,
      namespace,
      placeholders: {},
    })
    new k8s.KubeDeployment(this, 'deployment', {
      metadata: {
        name,
        namespace,
        labels: workloadLabels(consensusAccessIdentity),
        annotations: waiverAnnotations(imageWaivers(image)),
      },
      spec: {
        replicas: 1,
        // Two at once are harmless.
        strategy: {
          type: 'RollingUpdate',
          rollingUpdate: { maxUnavailable: k8s.IntOrString.fromNumber(0), maxSurge: k8s.IntOrString.fromNumber(1) },
        },
        selector: { matchLabels: selectorLabels(consensusAccessIdentity) },
        template: podTemplate({
          identity: consensusAccessIdentity,
          container: programContainer({
            program: consensusAccess,
            parts: this.parts,
            image,
            resources: props.resources,
            command: ['/usr/local/bin/node', '/app/consensus-access.mjs'],
            settings: { etcdEndpoints: [props.clientUrl] },
            volumeMounts: mountsOf([certificate]),
          }),
          serviceAccountName: name,
          priorityClassName: priorityClassNames.controlPlane,
          terminationGracePeriodSeconds,
          volumes: [certificate.volume],
        }),
      },
    })
  }
}
