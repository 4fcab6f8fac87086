import { z } from 'zod'
import { etcdRoot } from '@regent/contract/etcd-users.ts'
import { objectNames } from '@regent/contract/names.ts'
import { bytes, count, externalSecret, resources } from '../config/fields.ts'

/** etcd, the store behind the control plane. One per region, never stretched over regions. */
export const consensusSettings = z.strictObject({
  members: count('members: an odd number from 3 to 11; 1 in development only', { min: 1, max: 11 }).default(5),
  heartbeatIntervalMilliseconds: count(
    'how often the leader tells the others that it lives',
    { min: 10, max: 10000 },
    'ms',
  ).default(1000),
  electionTimeoutMilliseconds: count(
    'silence after which members elect another leader: at least 5 heartbeats',
    { min: 50, max: 50000 },
    'ms',
  ).default(5000),
  storage: z
    .strictObject({
      size: bytes("size of each member's volume").default('100Gi'),
      className: z
        .string()
        .min(1)
        .max(253)
        .nullable()
        .default(null)
        .meta({ description: "StorageClass of the volumes; `null`: the cluster's default" }),
    })
    .prefault({}),
  quotaBackend: bytes('size of the store at which etcd stops taking writes; less than the volume').default('8Gi'),
  tls: z
    .strictObject({
      peerSecretName: externalSecret(
        'Secret with `tls.crt`, `tls.key` and `ca.crt` between members: names of every member, for both usages',
      ),
      serverSecretName: externalSecret('Secret with `tls.crt`, `tls.key` and `ca.crt` that members serve clients with'),
      clientSecretName: externalSecret(
        `Secret with \`tls.crt\`, \`tls.key\` and \`ca.crt\` that the control plane connects with: common name \`${objectNames.controlPlane}\``,
      ),
      rootSecretName: externalSecret(
        `Secret with \`tls.crt\`, \`tls.key\` and \`ca.crt\` that users and roles of etcd are kept with: common name \`${etcdRoot.name}\``,
      ),
      accessResources: resources({
        requests: { cpu: '20m', memory: '128Mi', ephemeralStorage: '64Mi' },
        limits: { cpu: '500m', memory: '256Mi', ephemeralStorage: '128Mi' },
      })
        .prefault({})
        .meta({ description: 'what the program takes that keeps users and roles of etcd' }),
    })
    .nullable()
    .default(null)
    .meta({ description: 'TLS between members and to clients; `null`: plain, in development only' }),
  resources: resources({
    requests: { cpu: '2', memory: '8Gi', ephemeralStorage: '256Mi' },
    limits: { cpu: '2', memory: '8Gi', ephemeralStorage: '256Mi' },
  }).prefault({}),
})
export type ConsensusSettings = z.infer<typeof consensusSettings>
