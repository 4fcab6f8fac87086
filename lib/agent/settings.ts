import { electionProfiles } from '@regent/contract/election.ts'
import { longestAgentId } from '@regent/contract/agent.ts'
import { z } from 'zod'
import { bytes, cidr, count, cpu, dnsLabel, externalSecret, originUrl, resources, seconds } from '../config/fields.ts'

const override = (description: string, range: { min: number; max: number }) =>
  seconds(`${description}; \`null\`: the profile's`, range).nullable().default(null)

/** The agent: replicas of one program, of which one leads. */
export const agentSettings = z.strictObject({
  id: dnsLabel('id of the agent: names its cluster and its Lease `regent-agent-<id>`', longestAgentId),
  replicas: count('replicas; more than one needs leader election', { min: 1, max: 9 }),
  leaderElection: z.strictObject({
    enabled: z.boolean().meta({ description: 'whether the replicas elect a leader; off, no Lease is touched' }),
    profile: z
      .enum(Object.keys(electionProfiles) as [keyof typeof electionProfiles])
      .default('fast')
      .meta({ description: 'named timing: `fast` 6/4/1.5 s, `standard` 15/10/2 s, `patient` 60/15/5 s' }),
    leaseDurationSeconds: count(
      "a standby takes a Lease that did not change for so long; `null`: the profile's",
      { min: 2, max: 600 },
      's',
    )
      .nullable()
      .default(null),
    renewDeadlineSeconds: override('a leader that could not renew for so long steps down', { min: 1, max: 600 }),
    retryPeriodSeconds: override('how often the leader renews', { min: 0.1, max: 60 }),
    abortBudgetSeconds: override('from stepping down until no work runs', { min: 0.1, max: 60 }),
    evidence: z
      .strictObject({
        peers: z.boolean().default(true).meta({
          description:
            'whether a standby takes over at once when the connection to the leader closes and its pod refuses another; needs the admission fence (Kubernetes 1.30); off where a mesh or a proxy terminates TCP, unless port 8081 is excluded from it',
        }),
        pods: z.boolean().default(true).meta({
          description:
            "whether a standby takes over at once when the leader's container is reported terminated; needs the admission fence (Kubernetes 1.30) and lets the agent watch the pods of `regent-system`",
        }),
      })
      .prefault({})
      .meta({ description: 'evidence of the death of a leader, for which nobody waits until its Lease runs out' }),
  }),
  drainBudgetSeconds: seconds('how long a graceful stop may take while the leader still renews', {
    min: 0,
    max: 600,
  }).default(30),
  terminationGracePeriodSeconds: count(
    'from the stop of a pod until it is killed: at least drain, abort and 5 s',
    { min: 1, max: 3600 },
    's',
  ).default(60),
  controlPlane: z
    .strictObject({
      url: originUrl('URL of the control plane that agents connect to'),
      cidrs: z
        .array(cidr('address range'))
        .min(1)
        .max(16)
        .meta({ description: 'address ranges of that control plane: a policy cannot hold a host name' }),
      apiKeySecretName: externalSecret(
        'Secret with the API key of this agent under `key`; exactly one of this and `clientCertificateSecretName`',
      )
        .nullable()
        .default(null),
      clientCertificateSecretName: externalSecret(
        'Secret with a client certificate under `tls.crt` and its key under `tls.key`, with the common name `agent:<id>`',
      )
        .nullable()
        .default(null),
      caSecretName: externalSecret(
        'Secret with the certificate authority of that control plane under `ca.crt`; `null`: the public ones are trusted',
      )
        .nullable()
        .default(null),
    })
    .nullable()
    .default(null)
    .meta({ description: 'a control plane elsewhere; `null`: the one of this environment' }),
  sessions: z.strictObject({
    maxSessions: count('sessions that exist at once, hibernated ones included', { min: 1, max: 10000 }).default(100),
    maxCpu: cpu('CPU that all sessions together may request'),
    maxMemory: bytes('memory that all sessions together may request'),
  }),
  resources: resources({
    requests: { cpu: '100m', memory: '192Mi', ephemeralStorage: '64Mi' },
    limits: { cpu: '1', memory: '384Mi', ephemeralStorage: '256Mi' },
  }).prefault({}),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'the least important level that is logged' }),
})
export type AgentSettings = z.infer<typeof agentSettings>
