import { controlPlaneAudience, metricPrefix } from './names.ts'
import { etcd } from './etcd.ts'
import { etcdVariables } from './etcd-variables.ts'
import { deepestClaim, longestClaim, mostClaimedRoles, signatureAlgorithms } from './oidc.ts'
import { program, to } from './program.ts'
import { sharedVariables } from './shared-variables.ts'

/** Folder of the control plane's own certificate, mounted from a Secret. */
export const controlPlaneTlsFolder = '/etc/regent/tls'

/** Folder of the certificate authority of agents' client certificates. */
export const agentCaFolder = '/etc/regent/agent-ca'
/** Folder of the certificate authority of the OpenID provider. */
export const oidcCaFolder = '/etc/regent/oidc-ca'

/** An agent is stale once this many heartbeats in a row are missing; equal to one is the published race. */
export const fewestMissedHeartbeats = 2.5

/**
 * How long it may take until everybody knows that a pod is no place to go to any more, in seconds: endpoints, the rules
 * of every node, ingresses. A pod that was told to stop goes on serving for so long, within its drain budget.
 */
export const endpointsSeconds = 5

/** The API that agents and people connect to. Any number of identical pods; everything they know is in etcd. */
export const controlPlane = program('control-plane', {
  env: {
    podName: {
      variable: 'POD_NAME',
      type: 'downward',
      fieldPath: 'metadata.name',
      description: 'the name of this pod, under which connections are entered in etcd',
    },
    podUid: {
      variable: 'POD_UID',
      type: 'downward',
      fieldPath: 'metadata.uid',
      description: 'the UID of this pod, which tells a re-created pod from its namesake',
    },
    region: sharedVariables.region,
    publicUrl: {
      variable: 'PUBLIC_URL',
      type: 'url',
      schemes: ['http', 'https'],
      description: 'the URL under which people reach the API, as documents and links name it',
    },
    ...etcdVariables,
    tlsCertificateFile: {
      variable: 'TLS_CERTIFICATE_FILE',
      type: 'file',
      secret: false,
      when: 'controlPlaneTls',
      default: `${controlPlaneTlsFolder}/tls.crt`,
      description: 'the certificate that the API serves, reloaded when it changes',
    },
    tlsKeyFile: {
      variable: 'TLS_KEY_FILE',
      type: 'file',
      secret: true,
      when: 'controlPlaneTls',
      default: `${controlPlaneTlsFolder}/tls.key`,
      description: 'the key of that certificate',
    },
    agentCaFile: {
      variable: 'AGENT_CA_FILE',
      type: 'file',
      secret: false,
      when: 'agentCertificates',
      description: "the certificate authority of agents' client certificates, reloaded when it changes",
    },
    oidcIssuerUrl: {
      variable: 'OIDC_ISSUER_URL',
      type: 'url',
      schemes: ['https'],
      when: 'oidc',
      description: 'the OpenID provider of people, exactly as its tokens name it in `iss`',
    },
    oidcAudience: {
      variable: 'OIDC_AUDIENCE',
      type: 'word',
      max: longestClaim,
      when: 'oidc',
      description: 'whom its tokens must be for, in `aud`: the id of the client or the name of the API',
    },
    oidcRoleClaim: {
      variable: 'OIDC_ROLE_CLAIM',
      type: 'texts',
      fewest: 1,
      most: deepestClaim,
      max: longestClaim,
      when: 'oidc',
      description: 'where its tokens hold roles or groups: the names of claims, one within the other',
    },
    oidcNameClaim: {
      variable: 'OIDC_NAME_CLAIM',
      type: 'word',
      max: longestClaim,
      when: 'oidc',
      default: 'sub',
      description: 'the claim that names a person in logs and records',
    },
    oidcViewers: {
      variable: 'OIDC_VIEWERS',
      type: 'texts',
      fewest: 0,
      most: mostClaimedRoles,
      max: longestClaim,
      when: 'oidc',
      default: [],
      description: 'the values of the role claim that make a viewer',
    },
    oidcOperators: {
      variable: 'OIDC_OPERATORS',
      type: 'texts',
      fewest: 0,
      most: mostClaimedRoles,
      max: longestClaim,
      when: 'oidc',
      default: [],
      description: 'the values of the role claim that make an operator',
    },
    oidcAdmins: {
      variable: 'OIDC_ADMINS',
      type: 'texts',
      fewest: 0,
      most: mostClaimedRoles,
      max: longestClaim,
      when: 'oidc',
      default: [],
      description: 'the values of the role claim that make an administrator',
    },
    oidcAlgorithms: {
      variable: 'OIDC_ALGORITHMS',
      type: 'choices',
      choices: signatureAlgorithms,
      when: 'oidc',
      default: ['RS256', 'ES256'],
      description: 'what the provider may sign with',
    },
    oidcCaFile: {
      variable: 'OIDC_CA_FILE',
      type: 'file',
      secret: false,
      when: 'oidcCa',
      description: 'the certificate authority of the provider, read again for every fetch; without it the public ones',
    },
    heartbeatIntervalSeconds: {
      variable: 'HEARTBEAT_INTERVAL_SECONDS',
      type: 'seconds',
      min: 1,
      max: 300,
      default: 30,
      description: 'how often an agent is told to send a heartbeat',
    },
    staleAfterSeconds: {
      variable: 'STALE_AFTER_SECONDS',
      type: 'seconds',
      min: 3,
      max: 900,
      default: 75,
      description: `an agent that was silent for so long is stale; at least ${fewestMissedHeartbeats} heartbeats`,
    },
    drainBudgetSeconds: {
      variable: 'DRAIN_BUDGET_SECONDS',
      type: 'seconds',
      min: 0,
      max: 600,
      default: 30,
      description: 'how long connections may take to move to another pod when this one stops',
    },
    mostOpenCommands: {
      variable: 'MOST_OPEN_COMMANDS',
      type: 'integer',
      min: 1,
      max: 100_000,
      default: 1000,
      description: 'how many commands of one agent may wait or be under way; more are refused',
    },
    trustedProxies: {
      variable: 'TRUSTED_PROXIES',
      type: 'ranges',
      most: 64,
      default: [],
      description:
        'the proxies whose `X-Forwarded-For` is believed: the address of a client counts for limits and audit',
    },
    logLevel: sharedVariables.logLevel,
    listenAddress: sharedVariables.listenAddress,
    kubernetesHost: sharedVariables.kubernetesHost,
    kubernetesPort: sharedVariables.kubernetesPort,
    kubernetesTokenFile: sharedVariables.kubernetesTokenFile,
    kubernetesCaFile: sharedVariables.kubernetesCaFile,
  },
  ports: {
    /** HTTP API for people and programs. */
    api: { number: 8000, speaks: 'http' },
    /** Registration and WebSocket of agents: apart from the API, so that a policy can tell the two. */
    agents: { number: 8001, speaks: 'ws' },
    /** Probes and metrics, always plain HTTP. */
    health: { number: 8080, speaks: 'http' },
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
    readiness: {
      port: 'health',
      path: '/readyz',
      initialDelaySeconds: 10,
      periodSeconds: 5,
      timeoutSeconds: 3,
      failureThreshold: 3,
    },
  },
  // The API server is called for the keys that sign ServiceAccount tokens (issuer and JWKS).
  calls: [
    to(etcd, 'client'),
    { to: 'outside', whom: 'openIdProvider', when: 'oidc' },
    { to: 'apiServer' },
    { to: 'dns' },
  ],
  // Issuer discovery is allowed to every ServiceAccount by Kubernetes' own `system:service-account-issuer-discovery`.
  access: [],
  metrics: {
    httpRequests: {
      name: `${metricPrefix}http_requests_total`,
      type: 'counter',
      labels: ['method', 'route', 'status'],
      help: 'requests answered',
    },
    httpRequestDuration: {
      name: `${metricPrefix}http_request_duration_seconds`,
      type: 'histogram',
      labels: ['method', 'route'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      help: 'from the last byte of a request to the last byte of its answer',
    },
    queueDepth: {
      name: `${metricPrefix}queue_depth`,
      type: 'gauge',
      labels: [],
      help: 'commands that wait for an agent connected to this pod; sum over pods',
    },
    activeConnections: {
      name: `${metricPrefix}active_connections`,
      type: 'gauge',
      labels: ['kind'],
      help: 'open connections of agents, people and viewers',
    },
    registrations: {
      name: `${metricPrefix}agent_registrations_total`,
      type: 'counter',
      labels: ['outcome'],
      help: 'registrations of agents: accepted, or why they were refused',
    },
    agents: {
      name: `${metricPrefix}agents`,
      type: 'gauge',
      labels: ['health'],
      help: 'agents connected to this pod, by their health; sum over pods',
    },
    leaderships: {
      name: `${metricPrefix}agent_leaderships_total`,
      type: 'counter',
      labels: ['as'],
      help: 'accepted registrations: of the first leadership of an agent, of a newer one, or of the same one again; sum over pods',
    },
    commands: {
      name: `${metricPrefix}commands_total`,
      type: 'counter',
      labels: ['action', 'outcome'],
      help: 'commands that ended at this pod: done, failed, expired, cancelled or poisoned; an action that the contract does not name is unknown',
    },
    commandDuration: {
      name: `${metricPrefix}command_duration_seconds`,
      type: 'histogram',
      labels: ['action'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      help: 'from a command being stored until its result is; an action that the contract does not name is unknown',
    },
    storeDuration: {
      name: `${metricPrefix}store_request_duration_seconds`,
      type: 'histogram',
      labels: ['request', 'outcome'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      help: 'how long requests to etcd took, by what was asked and how it ended',
    },
    fenced: {
      name: `${metricPrefix}fenced_total`,
      type: 'counter',
      labels: ['agent', 'reason'],
      help: 'what was refused because somebody newer speaks for the agent: registrations, by why, results and deliveries of commands',
    },
    // Every pod tells the same of all agents, as one of them counted them: aggregate with max, never with sum. Only the
    // time of the census is there when it is older than a minute.
    fleetCensusTime: {
      name: `${metricPrefix}fleet_census_timestamp_seconds`,
      type: 'gauge',
      labels: [],
      help: 'when all agents were counted last, in seconds since 1970, by any pod; 0 if they never were; max over pods',
    },
    fleetCensusDuration: {
      name: `${metricPrefix}fleet_census_duration_seconds`,
      type: 'gauge',
      labels: [],
      help: 'how long it took to count all agents; max over pods',
    },
    fleetAgents: {
      name: `${metricPrefix}fleet_agents`,
      type: 'gauge',
      labels: ['approval'],
      help: 'all agents, connected or not: pending, approved or rejected; max over pods',
    },
    fleetLeaderless: {
      name: `${metricPrefix}fleet_leaderless_agents`,
      type: 'gauge',
      labels: [],
      help: 'approved agents for which no leader is registered at any pod; max over pods',
    },
    fleetLongestLeaderless: {
      name: `${metricPrefix}fleet_longest_leaderless_seconds`,
      type: 'gauge',
      labels: [],
      help: 'for how long the one of them has had no leader that has had none for longest; 0 if there is none; max over pods',
    },
    fleetFenceConflicts: {
      name: `${metricPrefix}fleet_fence_conflicts`,
      type: 'gauge',
      labels: [],
      help: 'approved agents of which a leadership is refused although it insists, until somebody resets the fence; max over pods',
    },
    fleetOpenCommands: {
      name: `${metricPrefix}fleet_open_commands`,
      type: 'gauge',
      labels: [],
      help: 'commands of all agents that have not ended; max over pods',
    },
    fleetOldestOpenCommand: {
      name: `${metricPrefix}fleet_oldest_open_command_age_seconds`,
      type: 'gauge',
      labels: [],
      help: 'age of the oldest command of all agents that has not ended; 0 if there is none; max over pods',
    },
    fleetUnreadable: {
      name: `${metricPrefix}fleet_unreadable_records`,
      type: 'gauge',
      labels: [],
      help: 'records of agents and open commands that could not be read and are in no other figure; max over pods',
    },
  },
  writes: [{ path: '/tmp', size: '16Mi' }],
})

/** The projected token with which an agent proves itself: audience, where it is mounted, how long it lives. */
export const controlPlaneToken = {
  audience: controlPlaneAudience,
  folder: '/var/run/secrets/regent.dev/control-plane',
  file: 'token',
  expirationSeconds: 3600,
} as const
