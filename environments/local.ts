import { extend } from '../lib/config/layer.ts'
import { base } from './base.ts'

/** Everything that fails over, on three nodes of one machine and without any integration: what tests and demo run. */
export const local = extend(base, import.meta, {
  name: 'local',
  purpose: 'development',
  region: { name: 'local' },
  cluster: {
    cloud: 'on-premises',
    kubernetesVersion: '1.30',
    zones: ['local'],
    nodes: 3,
    apiServer: { cidrs: ['0.0.0.0/0'], ports: [443, 6443] },
  },
  agent: {
    id: 'local',
    replicas: 3,
    leaderElection: { enabled: true },
    sessions: { maxSessions: 10, maxCpu: '4', maxMemory: '8Gi' },
  },
  controlPlane: {
    replicas: 2,
    publicUrl: 'http://localhost:8000',
    resources: {
      requests: { cpu: '100m', memory: '192Mi', ephemeralStorage: '64Mi' },
      limits: { cpu: '1', memory: '512Mi', ephemeralStorage: '256Mi' },
    },
  },
  consensus: {
    members: 3,
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
