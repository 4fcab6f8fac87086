import { extend } from '../lib/config/layer.ts'
import { base } from './base.ts'
import { site } from './site.ts'

/** Production in small: everything on, two agents, three members. */
export const staging = extend(base, import.meta, {
  name: 'staging',
  purpose: 'staging',
  region: { name: 'us-east-1' },
  cluster: {
    cloud: 'eks',
    kubernetesVersion: '1.33',
    zones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
    nodes: 3,
    apiServer: { cidrs: site.apiServerCidrs.staging, ports: [443] },
  },
  foundation: { storageClasses: {} },
  agent: {
    id: 'staging',
    replicas: 2,
    leaderElection: { enabled: true },
    sessions: { maxSessions: 50, maxCpu: '50', maxMemory: '100Gi' },
  },
  controlPlane: {
    replicas: 3,
    autoscaling: { maxReplicas: 10 },
    publicUrl: `https://api.staging.${site.domain}`,
    tlsSecretName: 'regent-control-plane-tls',
  },
  consensus: {
    members: 3,
    storage: { className: 'fast-ssd' },
    tls: {
      peerSecretName: 'regent-consensus-peer-tls',
      serverSecretName: 'regent-consensus-server-tls',
      clientSecretName: 'regent-consensus-client-tls',
      rootSecretName: 'regent-consensus-root-tls',
    },
  },
})
