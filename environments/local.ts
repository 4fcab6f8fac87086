import { extend } from '../lib/config/layer.ts'
import { development } from './development.ts'

/** Everything that fails over, on three nodes of one machine and without any integration: what tests and demo run. */
export const local = extend(development, import.meta, {
  name: 'local',
  cluster: { nodes: 3 },
  agent: {
    id: 'local',
    replicas: 3,
    leaderElection: { enabled: true },
    sessions: { maxSessions: 10, maxCpu: '4', maxMemory: '8Gi' },
  },
  controlPlane: { replicas: 2 },
  consensus: { members: 3 },
})
