import { extend } from '../lib/config/layer.ts'
import { base } from './base.ts'

/** What the regions of production share. No environment of its own. */
export const production = extend(base, import.meta, {
  purpose: 'production',
  cluster: { cloud: 'eks', kubernetesVersion: '1.33', apiServer: { ports: [443] } },
  foundation: { storageClasses: {} },
  agent: {
    replicas: 3,
    leaderElection: { enabled: true },
    sessions: { maxSessions: 100, maxCpu: '100', maxMemory: '200Gi' },
  },
  controlPlane: {
    autoscaling: { maxReplicas: 100 },
    tlsSecretName: 'regent-control-plane-tls',
  },
  consensus: {
    storage: { className: 'fast-ssd' },
    tls: {
      peerSecretName: 'regent-consensus-peer-tls',
      serverSecretName: 'regent-consensus-server-tls',
      clientSecretName: 'regent-consensus-client-tls',
      rootSecretName: 'regent-consensus-root-tls',
    },
  },
})
