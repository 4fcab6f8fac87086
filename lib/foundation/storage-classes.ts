import { storageClassNames } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import type { ClusterSettings } from '../config/cluster-settings.ts'
import type { DeepReadonly } from '../config/environment.ts'
import { External } from '../output/external.ts'
import type { FoundationSettings } from './settings.ts'
import { storageDriver } from './storage-driver.ts'

export interface StorageClassesProps {
  readonly settings: NonNullable<DeepReadonly<FoundationSettings>['storageClasses']>
  readonly cloud: ClusterSettings['cloud']
}

/** The StorageClasses of the cloud. Volumes are made where their pod is, and can grow. */
export class StorageClasses extends Construct {
  /** Names of the StorageClasses that exist here. */
  readonly names: ReadonlySet<string>

  constructor(scope: Construct, id: string, props: StorageClassesProps) {
    super(scope, id)
    const { settings, cloud } = props
    const driver = storageDriver(cloud, settings.onPremisesProvisioner)
    const classes = [
      // What consensus stores outlives its claim.
      { name: storageClassNames.fast, reclaimPolicy: 'Retain', parameters: driver.fast(settings.fast) },
      { name: storageClassNames.standard, reclaimPolicy: 'Delete', parameters: driver.standard(settings.standard) },
      ...(settings.regional && driver.regional
        ? [{ name: storageClassNames.regional, reclaimPolicy: 'Retain', parameters: driver.regional() }]
        : []),
    ]
    for (const { name, reclaimPolicy, parameters } of classes) {
      new k8s.KubeStorageClass(this, name, {
        metadata: { name },
        provisioner: driver.provisioner,
        reclaimPolicy,
        ...(Object.keys(parameters).length > 0 && { parameters: { ...parameters } }),
        volumeBindingMode: 'WaitForFirstConsumer',
        allowVolumeExpansion: true,
      })
    }
    this.names = new Set(classes.map(({ name }) => name))
    new External(this, 'csi-driver', {
      kind: 'CSIDriver',
      name: driver.provisioner,
      purpose: 'makes the volumes of the StorageClasses; the cloud provides it as an add-on',
    })
  }
}
