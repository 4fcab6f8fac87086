import { extend } from '../lib/config/layer.ts'
import { base } from './base.ts'

/** One node, one agent without election, nothing installed. */
export const dev = extend(base, import.meta, {
  name: 'dev',
  purpose: 'development',
  region: { name: 'local' },
  cluster: {
    cloud: 'on-premises',
    kubernetesVersion: '1.30',
    zones: ['local'],
    nodes: 1,
    apiServer: { cidrs: ['0.0.0.0/0'], ports: [443, 6443] },
  },
  agent: {
    id: 'dev',
    replicas: 1,
    leaderElection: { enabled: false },
    sessions: { maxSessions: 5, maxCpu: '4', maxMemory: '8Gi' },
    logLevel: 'debug',
  },
  controlPlane: {
    replicas: 1,
    publicUrl: 'http://localhost:8000',
    resources: {
      requests: { cpu: '100m', memory: '192Mi', ephemeralStorage: '64Mi' },
      limits: { cpu: '1', memory: '512Mi', ephemeralStorage: '256Mi' },
    },
    logLevel: 'debug',
  },
  consensus: {
    members: 1,
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
