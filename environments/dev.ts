import { extend } from '../lib/config/layer.ts'
import { development } from './development.ts'

/** One node, one agent without election, nothing installed. */
export const dev = extend(development, import.meta, {
  name: 'dev',
  cluster: { nodes: 1 },
  agent: {
    id: 'dev',
    replicas: 1,
    leaderElection: { enabled: false },
    sessions: { maxSessions: 5, maxCpu: '4', maxMemory: '8Gi' },
    logLevel: 'debug',
  },
  controlPlane: { replicas: 1, logLevel: 'debug' },
  consensus: { members: 1 },
})
