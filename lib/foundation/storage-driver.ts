import type { ClusterSettings } from '../config/cluster-settings.ts'

/** What a StorageClass should be able to do. */
export interface StoragePerformance {
  readonly iops: number
  readonly throughputMebibytesPerSecond: number
}

/** How the CSI driver of a cloud is asked for volumes. Encrypted wherever it is a parameter. */
export interface StorageDriver {
  readonly provisioner: string
  /** Volumes with provisioned performance. */
  fast(performance: StoragePerformance): Readonly<Record<string, string>>
  /** Volumes for everyday use; a driver that cannot provision their performance gives what the type has. */
  standard(performance: StoragePerformance): Readonly<Record<string, string>>
  /** Volumes replicated over zones; absent where the cloud has none. */
  regional?(): Readonly<Record<string, string>>
}

/**
 * The CSI driver of a cloud.
 *
 * @param onPremisesProvisioner the driver on premises, whose parameters nobody can know
 */
export function storageDriver(cloud: ClusterSettings['cloud'], onPremisesProvisioner: string | null): StorageDriver {
  switch (cloud) {
    case 'eks': {
      const gp3 = ({ iops, throughputMebibytesPerSecond }: StoragePerformance) => ({
        type: 'gp3',
        iops: String(iops),
        throughput: String(throughputMebibytesPerSecond),
        // The driver's own default is unencrypted.
        encrypted: 'true',
      })
      return { provisioner: 'ebs.csi.aws.com', fast: gp3, standard: gp3 }
    }
    case 'gke':
      return {
        provisioner: 'pd.csi.storage.gke.io',
        fast: ({ iops, throughputMebibytesPerSecond }) => ({
          type: 'hyperdisk-balanced',
          'provisioned-iops-on-create': String(iops),
          'provisioned-throughput-on-create': `${throughputMebibytesPerSecond}Mi`,
        }),
        standard: () => ({ type: 'pd-balanced' }),
        regional: () => ({ type: 'pd-balanced', 'replication-type': 'regional-pd' }),
      }
    case 'aks':
      return {
        provisioner: 'disk.csi.azure.com',
        fast: ({ iops, throughputMebibytesPerSecond }) => ({
          skuName: 'PremiumV2_LRS',
          cachingMode: 'None',
          DiskIOPSReadWrite: String(iops),
          DiskMBpsReadWrite: String(throughputMebibytesPerSecond),
        }),
        standard: () => ({ skuName: 'StandardSSD_LRS' }),
        regional: () => ({ skuName: 'Premium_ZRS' }),
      }
    case 'on-premises':
      return { provisioner: onPremisesProvisioner ?? '', fast: () => ({}), standard: () => ({}) }
  }
}
