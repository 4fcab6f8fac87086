import { controlPlane, controlPlaneToken } from './control-plane.ts'
import { electionProfiles } from './election.ts'
import { metricPrefix, objectNames } from './names.ts'
import { program, to, type Verb } from './program.ts'
import { sharedVariables } from './shared-variables.ts'

/** Folder of the certificate authority against which an agent checks the control plane. */
export const controlPlaneCaFolder = '/etc/regent/control-plane-ca'
/** Folder of the API key of an agent whose control plane is elsewhere. */
export const apiKeyFolder = '/var/run/secrets/regent.dev/api-key'

/** Folder of the client certificate of an agent whose control plane is elsewhere. */
export const clientCertificateFolder = '/var/run/secrets/regent.dev/client-certificate'

/**
 * Longest agent id. Kubernetes cuts what a pod is named after at 58 characters: `regent-agent-<id>` stays whole, so
 * that the pods of two agents never look alike.
 */
export const longestAgentId = 40

/** What the agent does with the objects that make up a session: converge, observe, remove. */
const converge: readonly Verb[] = ['get', 'list', 'watch', 'create', 'patch', 'delete']

/** The agent: N replicas, one leader, which alone talks to the control plane and acts. */
export const agent = program('agent', {
  env: {
    agentId: {
      variable: 'AGENT_ID',
      type: 'name',
      max: longestAgentId,
      description: 'the name of this agent, which names its cluster and its Lease; the same in every replica',
    },
    replicas: {
      variable: 'REPLICAS',
      type: 'integer',
      min: 1,
      max: 9,
      description: 'how many replicas run; more than one is refused without leader election',
    },
    region: sharedVariables.region,
    controlPlaneUrl: {
      variable: 'CONTROL_PLANE_URL',
      type: 'url',
      schemes: ['http', 'https'],
      description: 'the control plane that the leader registers at',
    },
    controlPlaneTokenFile: {
      variable: 'CONTROL_PLANE_TOKEN_FILE',
      type: 'file',
      secret: true,
      when: 'serviceAccountToken',
      default: `${controlPlaneToken.folder}/${controlPlaneToken.file}`,
      description: 'the projected ServiceAccount token for the control plane, read again when it changes',
    },
    apiKeyFile: {
      variable: 'AGENT_API_KEY_FILE',
      type: 'file',
      secret: true,
      when: 'apiKey',
      default: `${apiKeyFolder}/key`,
      description: 'the API key of this agent, read again when it changes',
    },
    clientCertificateFile: {
      variable: 'CLIENT_CERTIFICATE_FILE',
      type: 'file',
      secret: false,
      when: 'clientCertificate',
      description: 'the certificate by which this agent proves itself, read again for every connection',
    },
    clientKeyFile: {
      variable: 'CLIENT_KEY_FILE',
      type: 'file',
      secret: true,
      when: 'clientCertificate',
      description: 'the key of that certificate',
    },
    controlPlaneCaFile: {
      variable: 'CONTROL_PLANE_CA_FILE',
      type: 'file',
      secret: false,
      when: 'controlPlaneTls',
      default: `${controlPlaneCaFolder}/ca.crt`,
      description: 'the certificate authority of the control plane; without it the public ones are trusted',
    },
    sessionNamespace: {
      variable: 'NAMESPACE',
      type: 'name',
      max: 63,
      description: 'the namespace in which sessions are created',
    },
    maxSessions: {
      variable: 'MAX_SESSIONS',
      type: 'integer',
      min: 1,
      max: 10000,
      default: 100,
      description: 'how many sessions exist at once, hibernated ones included',
    },
    maxCpu: { variable: 'MAX_CPU', type: 'quantity', description: 'how much CPU all sessions together may request' },
    maxMemory: {
      variable: 'MAX_MEMORY',
      type: 'quantity',
      description: 'how much memory all sessions together may request',
    },
    leaderElection: {
      variable: 'ENABLE_HA',
      type: 'boolean',
      description: 'whether replicas elect a leader by a Lease; off, no Lease is touched',
    },
    leaseDurationSeconds: {
      variable: 'LEASE_DURATION_SECONDS',
      type: 'integer',
      min: 2,
      max: 600,
      when: 'election',
      default: electionProfiles.fast.leaseDurationSeconds,
      description: 'a standby takes a Lease that did not change for so long; whole seconds, as the Lease stores them',
    },
    renewDeadlineSeconds: {
      variable: 'RENEW_DEADLINE_SECONDS',
      type: 'seconds',
      min: 1,
      max: 600,
      when: 'election',
      default: electionProfiles.fast.renewDeadlineSeconds,
      description: 'a leader that could not renew for so long steps down',
    },
    retryPeriodSeconds: {
      variable: 'RETRY_PERIOD_SECONDS',
      type: 'seconds',
      min: 0.1,
      max: 60,
      when: 'election',
      default: electionProfiles.fast.retryPeriodSeconds,
      description: 'how often the leader renews',
    },
    abortBudgetSeconds: {
      variable: 'ABORT_BUDGET_SECONDS',
      type: 'seconds',
      min: 0.1,
      max: 60,
      when: 'election',
      default: electionProfiles.fast.abortBudgetSeconds,
      description: 'from stepping down until no work runs',
    },
    drainBudgetSeconds: {
      variable: 'DRAIN_BUDGET_SECONDS',
      type: 'seconds',
      min: 0,
      max: 600,
      default: 30,
      description: 'how long a graceful stop may take while the leader still renews',
    },
    peerEvidence: {
      variable: 'PEER_EVIDENCE',
      type: 'boolean',
      when: 'election',
      default: true,
      description:
        "whether a standby takes over at once when the leader's connection closes and its pod refuses another",
    },
    podEvidence: {
      variable: 'POD_EVIDENCE',
      type: 'boolean',
      when: 'election',
      default: true,
      description: "whether a standby takes over at once when the leader's container is reported terminated",
    },
    logLevel: sharedVariables.logLevel,
    listenAddress: sharedVariables.listenAddress,
    kubernetesHost: sharedVariables.kubernetesHost,
    kubernetesPort: sharedVariables.kubernetesPort,
    kubernetesTokenFile: sharedVariables.kubernetesTokenFile,
    kubernetesCaFile: sharedVariables.kubernetesCaFile,
    podName: {
      variable: 'POD_NAME',
      type: 'downward',
      fieldPath: 'metadata.name',
      description: 'the name of this pod, first part of its identity',
    },
    podUid: {
      variable: 'POD_UID',
      type: 'downward',
      fieldPath: 'metadata.uid',
      description: 'the UID of this pod, second part of its identity and what the admission fence compares',
    },
    podNamespace: {
      variable: 'POD_NAMESPACE',
      type: 'downward',
      fieldPath: 'metadata.namespace',
      description: 'the namespace of the Lease',
    },
    podIp: {
      variable: 'POD_IP',
      type: 'downward',
      fieldPath: 'status.podIP',
      description: 'the address of this pod, at which standbys reach a leader',
    },
    nodeName: {
      variable: 'NODE_NAME',
      type: 'downward',
      fieldPath: 'spec.nodeName',
      description: 'the node of this pod, shown by `regent status`',
    },
  },
  ports: {
    health: { number: 8080, speaks: 'http' },
    peer: { number: 8081, speaks: 'tcp', when: 'election' },
  },
  probes: {
    startup: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 0,
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 60,
    },
    liveness: {
      port: 'health',
      path: '/livez',
      initialDelaySeconds: 0,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    readiness: {
      port: 'health',
      path: '/readyz',
      initialDelaySeconds: 0,
      periodSeconds: 5,
      timeoutSeconds: 3,
      failureThreshold: 2,
    },
  },
  calls: [
    to(controlPlane, 'agents'),
    { to: 'program', program: 'agent', port: 'peer', when: 'election' },
    { to: 'apiServer' },
    { to: 'dns' },
  ],
  access: [
    {
      group: 'coordination.k8s.io',
      resource: 'leases',
      verbs: ['get', 'watch', 'update'],
      in: 'system',
      name: objectNames.agentLease,
      when: 'election',
    },
    // A create has no name that RBAC could compare.
    { group: 'coordination.k8s.io', resource: 'leases', verbs: ['create'], in: 'system', when: 'election' },
    { group: '', resource: 'pods', verbs: ['list', 'watch'], in: 'system', when: 'podEvidence' },
    { group: '', resource: 'namespaces', verbs: ['get'], in: 'kubernetes', name: 'kube-system', when: 'election' },
    { group: 'events.k8s.io', resource: 'events', verbs: ['create'], in: 'system', when: 'election' },
    { group: 'apps', resource: 'deployments', verbs: converge, in: 'sessions' },
    { group: '', resource: 'services', verbs: converge, in: 'sessions' },
    { group: '', resource: 'persistentvolumeclaims', verbs: converge, in: 'sessions' },
    { group: '', resource: 'configmaps', verbs: converge, in: 'sessions' },
    { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'], in: 'sessions' },
    { group: '', resource: 'resourcequotas', verbs: ['list'], in: 'sessions' },
  ],
  metrics: {
    isLeader: {
      name: `${metricPrefix}agent_is_leader`,
      type: 'gauge',
      labels: ['agent'],
      help: '1 in the replica that leads and may act, 0 in the others',
    },
    leaderTransitions: {
      name: `${metricPrefix}agent_leader_transitions_total`,
      type: 'counter',
      labels: ['agent', 'reason'],
      help: 'leaderships won by this replica, by the reason for which the one before ended',
    },
    leadershipsLost: {
      name: `${metricPrefix}agent_leaderships_lost_total`,
      type: 'counter',
      labels: ['agent', 'reason'],
      help: 'leaderships of this replica that ended, by reason',
    },
    takeoverPhase: {
      name: `${metricPrefix}agent_takeover_phase_seconds`,
      type: 'histogram',
      labels: ['agent', 'phase'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 6.5, 9, 15, 30],
      help: 'from the end of the leadership before until each phase of a takeover: detected, acquired, registered, and first-command where one waited',
    },
    renewDuration: {
      name: `${metricPrefix}agent_lease_renew_duration_seconds`,
      type: 'histogram',
      labels: ['agent'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      help: 'how long acknowledged renewals of the Lease took',
    },
    leaseRemaining: {
      name: `${metricPrefix}agent_lease_remaining_seconds`,
      type: 'gauge',
      labels: ['agent'],
      help: 'until this leader must step down if no further renewal is acknowledged; 0 in standbys',
    },
    epoch: {
      name: `${metricPrefix}agent_epoch`,
      type: 'gauge',
      labels: ['agent'],
      help: 'epoch of the leadership that this replica holds or saw last',
    },
    fenced: {
      name: `${metricPrefix}agent_fenced_total`,
      type: 'counter',
      labels: ['agent', 'by'],
      help: 'effects of this replica that a fence refused, or links that the control plane ended, because it no longer led',
    },
    watchRestarts: {
      name: `${metricPrefix}agent_watch_restarts_total`,
      type: 'counter',
      labels: ['agent', 'watch', 'reason'],
      help: 'watches that were opened again, by reason',
    },
    eventLoopStall: {
      name: `${metricPrefix}agent_event_loop_stall_seconds`,
      type: 'gauge',
      labels: ['agent'],
      help: 'longest that the main thread did not answer the elector since the last scrape',
    },
    linkConnected: {
      name: `${metricPrefix}agent_link_connected`,
      type: 'gauge',
      labels: ['agent'],
      help: '1 in the replica that is registered at the control plane, 0 in the others',
    },
    linkAttempts: {
      name: `${metricPrefix}agent_link_attempts_total`,
      type: 'counter',
      labels: ['agent', 'outcome'],
      help: 'attempts to be registered at the control plane: registered, or why not: passing, fenced, refused',
    },
    commands: {
      name: `${metricPrefix}agent_commands_total`,
      type: 'counter',
      labels: ['agent', 'action', 'outcome'],
      help: 'commands that ended in this replica, by action and outcome',
    },
    commandsWaiting: {
      name: `${metricPrefix}agent_commands_waiting`,
      type: 'gauge',
      labels: ['agent'],
      help: 'commands that wait in this replica for another one of their target',
    },
    electionStatus: {
      name: 'leader_election_master_status',
      type: 'gauge',
      labels: ['name'],
      help: '1 in the leader: the name that dashboards for client-go use',
    },
    electionSlowpath: {
      name: 'leader_election_slowpath_total',
      type: 'counter',
      labels: ['name'],
      help: 'renewals that needed another read of the Lease: the name that dashboards for client-go use',
    },
  },
  // The times of the last starts, by which a crash loop is recognised.
  writes: [{ path: '/tmp', size: '16Mi' }],
})
