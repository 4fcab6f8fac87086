import { namespaceNames } from '@regent/contract/names.ts'
import { Construct } from 'constructs'
import type { ClusterSettings } from '../config/cluster-settings.ts'
import type { DeepReadonly } from '../config/environment.ts'
import { comesFrom } from '../output/provenance.ts'
import { Namespace } from './namespace.ts'
import { PriorityClasses, type PriorityClassesProps } from './priority-classes.ts'
import type { FoundationSettings } from './settings.ts'
import { StorageClasses } from './storage-classes.ts'

export interface FoundationProps {
  readonly settings: DeepReadonly<FoundationSettings>
  readonly cluster: DeepReadonly<ClusterSettings>
  readonly repositoryUrl: string
  readonly regionWeight: number
  /** Programs that the environment runs, for their PriorityClasses. */
  readonly programs: PriorityClassesProps['names']
  /** What all sessions together may take. */
  readonly sessions: { readonly maxSessions: number; readonly maxCpu: string; readonly maxMemory: string }
}

/** What everything else stands on: namespaces with their quotas, priorities, storage. */
export class Foundation extends Construct {
  /** Names of the StorageClasses that the environment makes. */
  readonly storageClassNames: ReadonlySet<string>

  constructor(scope: Construct, id: string, props: FoundationProps) {
    super(scope, id)
    comesFrom(this, 'foundation')
    const { quota, storageClasses } = props.settings
    const shared = {
      podSecurityVersion: props.cluster.kubernetesVersion,
      repositoryUrl: props.repositoryUrl,
      regionWeight: props.regionWeight,
    }
    new Namespace(this, 'system', {
      ...shared,
      name: namespaceNames.system,
      quota: {
        'requests.cpu': quota.cpu,
        'requests.memory': quota.memory,
        pods: String(quota.pods),
        persistentvolumeclaims: String(quota.persistentVolumeClaims),
      },
      containerDefaults: {
        requests: { cpu: '100m', memory: '128Mi', 'ephemeral-storage': '64Mi' },
        limits: { cpu: '500m', memory: '512Mi', 'ephemeral-storage': '256Mi' },
      },
    })
    const sessions = String(props.sessions.maxSessions)
    const sessionsNamespace = new Namespace(this, 'sessions', {
      ...shared,
      name: namespaceNames.sessions,
      quota: {
        'requests.cpu': props.sessions.maxCpu,
        'requests.memory': props.sessions.maxMemory,
        pods: sessions,
        persistentvolumeclaims: sessions,
        'count/deployments.apps': sessions,
        services: sessions,
      },
      containerDefaults: {
        requests: { cpu: '500m', memory: '1Gi', 'ephemeral-storage': '256Mi' },
        limits: { cpu: '1', memory: '2Gi', 'ephemeral-storage': '2Gi' },
      },
    })
    comesFrom(sessionsNamespace, 'agent.sessions')
    new PriorityClasses(this, 'priority-classes', { names: props.programs })
    this.storageClassNames =
      storageClasses === null
        ? new Set()
        : new StorageClasses(this, 'storage-classes', { settings: storageClasses, cloud: props.cluster.cloud }).names
  }
}
