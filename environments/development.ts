import { extend } from '../lib/config/layer.ts'
import { base } from './base.ts'

/** What the environments share that need nothing but Kubernetes. No environment of its own. */
export const development = extend(base, import.meta, {
  purpose: 'development',
  region: { name: 'local' },
  cluster: {
    cloud: 'on-premises',
    kubernetesVersion: '1.30',
    zones: ['local'],
    apiServer: { cidrs: ['0.0.0.0/0'], ports: [443, 6443] },
  },
  controlPlane: {
    publicUrl: 'http://localhost:8000',
    resources: {
      requests: { cpu: '100m', memory: '192Mi', ephemeralStorage: '64Mi' },
      limits: { cpu: '1', memory: '512Mi', ephemeralStorage: '256Mi' },
    },
  },
  consensus: {
    heartbeatIntervalMilliseconds: 100,
    electionTimeoutMilliseconds: 500,
    storage: { size: '1Gi' },
    quotaBackend: '512Mi',
    resources: {
      requests: { cpu: '100m', memory: '256Mi', ephemeralStorage: '64Mi' },
      limits: { cpu: '1', memory: '1Gi', ephemeralStorage: '64Mi' },
    },
  },
})
