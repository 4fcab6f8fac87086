import { etcd } from './etcd.ts'
import { etcdVariables } from './etcd-variables.ts'
import { metricPrefix } from './names.ts'
import { program, to } from './program.ts'
import { sharedVariables } from './shared-variables.ts'

const health = { number: 8080, speaks: 'http' } as const

/**
 * Keeps etcd's users and roles as `etcd-users.ts` declares them, and its authentication on. It is there only where
 * etcd's clients have certificates, and it alone holds that of etcd's root.
 */
export const consensusAccess = program('consensus-access', {
  env: {
    podName: {
      variable: 'POD_NAME',
      type: 'downward',
      fieldPath: 'metadata.name',
      description: 'the name of this pod, in every line of its log',
    },
    ...etcdVariables,
    logLevel: sharedVariables.logLevel,
    listenAddress: sharedVariables.listenAddress,
  },
  ports: {
    /** Probes and metrics, always plain HTTP. */
    health,
  },
  probes: {
    startup: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 0,
      periodSeconds: 5,
      timeoutSeconds: 3,
      failureThreshold: 30,
    },
    liveness: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 30,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    // Ready means: etcd's users and roles are as declared. So a rollout is not over before they are.
    readiness: {
      port: 'health',
      path: '/readyz',
      initialDelaySeconds: 0,
      periodSeconds: 5,
      timeoutSeconds: 3,
      failureThreshold: 3,
    },
  },
  calls: [to(etcd, 'client'), { to: 'dns' }],
  access: [],
  metrics: {
    changes: {
      name: `${metricPrefix}consensus_access_changes_total`,
      type: 'counter',
      labels: ['kind'],
      help: 'changes to users and roles of etcd; after the first minute somebody else had changed them',
    },
    asDeclared: {
      name: `${metricPrefix}consensus_access_as_declared`,
      type: 'gauge',
      labels: [],
      help: '1 while users and roles of etcd are known to be as declared and its authentication on, else 0',
    },
  },
  writes: [],
})
