import { z } from 'zod'
import { bytes, count, cpu } from '../config/fields.ts'

const storageClass = (description: string, defaults: { iops: number; throughput: number }) =>
  z
    .strictObject({
      iops: count(
        'provisioned input and output operations per second, where the driver takes them',
        { min: 3000, max: 80000 },
        '1/s',
      ).default(defaults.iops),
      throughputMebibytesPerSecond: count(
        'provisioned throughput, where the driver takes it',
        { min: 125, max: 2000 },
        'MiB/s',
      ).default(defaults.throughput),
    })
    .meta({ description })

/** Namespaces, quotas, priorities and storage. */
export const foundationSettings = z.strictObject({
  quota: z
    .strictObject({
      cpu: cpu('requested CPU of all pods together').default('100'),
      memory: bytes('requested memory of all pods together').default('200Gi'),
      pods: count('most pods', { min: 1, max: 10000 }).default(500),
      persistentVolumeClaims: count('most PersistentVolumeClaims', { min: 1, max: 10000 }).default(100),
    })
    .prefault({})
    .meta({
      description:
        "ResourceQuota of the system namespace; the sessions' namespace takes its own from the agent's limits",
    }),
  storageClasses: z
    .strictObject({
      onPremisesProvisioner: z
        .string()
        .min(1)
        .max(253)
        .nullable()
        .default(null)
        .meta({ description: 'CSI driver of the StorageClasses on premises; elsewhere the cloud decides it' }),
      fast: storageClass('`fast-ssd`: volumes are kept when their claim goes', {
        iops: 16000,
        throughput: 1000,
      }).prefault({}),
      standard: storageClass('`standard-ssd`: volumes go with their claim', { iops: 3000, throughput: 125 }).prefault(
        {},
      ),
      regional: z
        .boolean()
        .default(false)
        .meta({ description: '`regional-ssd`, replicated over two zones: GKE and AKS have it, EKS does not' }),
    })
    .nullable()
    .default(null)
    .meta({ description: 'StorageClasses that Regent creates; `null`: the cluster has its own' }),
})
export type FoundationSettings = z.infer<typeof foundationSettings>
