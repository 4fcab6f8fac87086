/** Variables that mean the same in every program of ours. */
export const sharedVariables = {
  logLevel: {
    variable: 'LOG_LEVEL',
    type: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    description: 'the least important level that is logged',
  },
  region: { variable: 'REGION', type: 'name', max: 40, description: 'the region in which the program runs' },
  listenAddress: {
    variable: 'LISTEN_ADDRESS',
    type: 'address',
    default: '::',
    description: 'the address that every port is opened on; `::` is every address of both families',
  },
  kubernetesHost: {
    variable: 'KUBERNETES_SERVICE_HOST',
    type: 'injected',
    description: 'the address of the Kubernetes API server',
  },
  kubernetesPort: {
    variable: 'KUBERNETES_SERVICE_PORT',
    type: 'injected',
    description: 'the port of the Kubernetes API server',
  },
  kubernetesTokenFile: {
    variable: 'KUBERNETES_TOKEN_FILE',
    type: 'file',
    secret: true,
    default: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    description: 'the ServiceAccount token for the Kubernetes API server, read again for every connection',
  },
  kubernetesCaFile: {
    variable: 'KUBERNETES_CA_FILE',
    type: 'file',
    secret: false,
    default: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
    description: 'the certificate authority of the Kubernetes API server',
  },
} as const
