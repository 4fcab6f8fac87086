import { program, to } from './program.ts'

const ports = {
  client: { number: 2379, speaks: 'grpc' },
  peer: { number: 2380, speaks: 'tcp' },
  /** Plain HTTP even where clients need certificates, so that the kubelet can probe. */
  health: { number: 8080, speaks: 'http' },
} as const

/**
 * Upstream etcd, the store that everything else agrees through. Not ours, so it takes flags and no variables of ours.
 *
 * @see https://etcd.io/docs/v3.6/op-guide/monitoring/ for the probes
 */
export const etcd = program('consensus', {
  env: {
    podName: {
      variable: 'POD_NAME',
      type: 'downward',
      fieldPath: 'metadata.name',
      description: 'the name of this member, expanded into the flags',
    },
  },
  ports,
  probes: {
    // Joining and catching up may take long: five minutes until liveness is asked.
    startup: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 0,
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 300,
    },
    // Never /health: it needs quorum, and its loss would restart every member.
    liveness: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 0,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    readiness: {
      port: 'health',
      path: '/readyz',
      initialDelaySeconds: 0,
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
  },
  calls: [to({ name: 'consensus', ports }, 'peer'), { to: 'dns' }],
  access: [],
  metrics: {},
  writes: [],
})
