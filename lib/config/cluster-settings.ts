import { z } from 'zod'
import { cidr, count, text } from './fields.ts'

/** The oldest Kubernetes that Regent supports. */
export const oldestKubernetes = '1.28'
/** The newest Kubernetes that Regent is tested with. */
export const newestKubernetes = '1.36'

/** What the platform engineer knows of the cluster; Regent decides by it, it changes nothing of it. */
export const clusterSettings = z.strictObject({
  cloud: z
    .enum(['eks', 'gke', 'aks', 'on-premises'])
    .meta({ description: 'kind of cloud: decides the CSI drivers behind the StorageClasses' }),
  kubernetesVersion: text(`minor version of Kubernetes that the cluster runs at least; ${oldestKubernetes} or newer`, {
    max: 4,
    pattern: /^1\.[0-9]{2}$/,
    words: 'a minor version such as "1.34"',
  }),
  zones: z
    .array(z.string().min(1).max(63).meta({ description: 'name of a zone' }))
    .min(1)
    .max(20)
    .meta({ description: 'zones that nodes are in, as `topology.kubernetes.io/zone` names them' }),
  nodes: count('nodes that pods can be scheduled on, at the least', { min: 1, max: 5000 }),
  apiServer: z.strictObject({
    cidrs: z.array(cidr('address range')).min(1).max(16).meta({
      description: "address ranges of the API server's endpoints, after translation: no policy can select it",
    }),
    ports: z
      .array(count('number of a port', { min: 1, max: 65535 }))
      .min(1)
      .max(4)
      .meta({ description: "ports of the API server's endpoints, after translation" }),
  }),
})
export type ClusterSettings = z.infer<typeof clusterSettings>

/** Whether a minor version is at least another: `isAtLeast('1.30', '1.28')`. */
export function isAtLeast(version: string, floor: string): boolean {
  return minor(version) >= minor(floor)
}

/** The minor version's number: 30 of `1.30`. */
export function minor(version: string): number {
  return Number(version.split('.')[1])
}
