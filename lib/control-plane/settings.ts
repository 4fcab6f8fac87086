import { controlPlane } from '@regent/contract/control-plane.ts'
import { parseVariable } from '@regent/contract/variable.ts'
import { z } from 'zod'
import { cidr, count, dnsLabel, externalSecret, originUrl, resources, seconds } from '../config/fields.ts'
import { oidcSettings } from './oidc-settings.ts'

const scalingStep = (description: string, defaults: { percent: number; period: number; window: number }) =>
  z
    .strictObject({
      percent: count('most change per period', { min: 1, max: 1000 }, '%').default(defaults.percent),
      periodSeconds: count('length of a period', { min: 1, max: 1800 }, 's').default(defaults.period),
      stabilizationWindowSeconds: count(
        'how far back the most careful recommendation counts',
        { min: 0, max: 3600 },
        's',
      ).default(defaults.window),
    })
    .prefault({})
    .meta({ description })

/** The API that agents and people connect to. */
export const controlPlaneSettings = z.strictObject({
  replicas: count('replicas; with autoscaling the fewest', { min: 1, max: 100 }),
  autoscaling: z
    .strictObject({
      maxReplicas: count('most replicas', { min: 1, max: 1000 }).default(100),
      cpuUtilizationPercent: count('mean use of the requested CPU that is aimed at', { min: 1, max: 100 }, '%').default(
        70,
      ),
      memoryUtilizationPercent: count(
        'mean use of the requested memory that is aimed at',
        { min: 1, max: 100 },
        '%',
      ).default(80),
      scaleUp: scalingStep('how fast replicas are added', { percent: 50, period: 60, window: 60 }),
      scaleDown: scalingStep('how fast replicas are removed', { percent: 10, period: 300, window: 300 }),
    })
    .nullable()
    .default(null)
    .meta({ description: 'HorizontalPodAutoscaler; `null`: the number of replicas is fixed' }),
  publicUrl: originUrl('URL under which people reach the API, as documents and links name it'),
  tlsSecretName: externalSecret(
    'Secret with `tls.crt`, `tls.key` and `ca.crt` that the API serves TLS with; `null`: plain, in development only',
  )
    .nullable()
    .default(null),
  agentCertificates: z
    .strictObject({
      caSecretName: externalSecret(
        'Secret with the certificate authority under `ca.crt` that client certificates of agents are checked against',
      ),
    })
    .nullable()
    .default(null)
    .meta({
      description:
        'client certificates of agents elsewhere, with the common name `agent:<id>`; needs `tlsSecretName`; `null`: none are asked for',
    }),
  oidc: oidcSettings
    .nullable()
    .default(null)
    .meta({ description: 'OpenID provider of people; `null`: they come with tokens of the control plane alone' }),
  clients: z
    .strictObject({
      namespaces: z
        .array(dnsLabel('name of a namespace'))
        .max(16)
        .default([])
        .meta({ description: 'namespaces whose pods may call the API, for example that of an ingress' }),
      cidrs: z
        .array(cidr('address range'))
        .max(16)
        .default([])
        .meta({ description: 'address ranges that may call the API and connect agents' }),
    })
    .prefault({})
    .meta({ description: 'who may call besides the agents of this environment; nobody by default' }),
  trustedProxies: z
    .array(
      // The program's own words on it: a pattern says less of an address than it could.
      cidr('address range').refine((range) => 'value' in parseVariable(controlPlane.env.trustedProxies, range), {
        error: 'expected an address range such as 10.0.0.0/24 that is not every address',
      }),
    )
    .max(controlPlane.env.trustedProxies.most)
    .default([])
    .meta({
      description:
        'address ranges of ingresses and gateways whose `X-Forwarded-For` is believed; they must hold nothing else',
    }),
  heartbeatIntervalSeconds: seconds('how often agents send a heartbeat', { min: 1, max: 300 }).default(30),
  staleAfterSeconds: seconds('an agent that was silent for so long is stale; at least 2.5 heartbeats', {
    min: 3,
    max: 900,
  }).default(75),
  drainBudgetSeconds: seconds('how long connections may take to move when a pod stops', { min: 0, max: 600 }).default(
    30,
  ),
  mostOpenCommands: count('commands of one agent that may wait or be under way; more are refused', {
    min: controlPlane.env.mostOpenCommands.min,
    max: controlPlane.env.mostOpenCommands.max,
  }).default(controlPlane.env.mostOpenCommands.default),
  terminationGracePeriodSeconds: count('from the stop of a pod until it is killed', { min: 1, max: 3600 }, 's').default(
    60,
  ),
  resources: resources({
    requests: { cpu: '500m', memory: '1Gi', ephemeralStorage: '128Mi' },
    limits: { cpu: '2', memory: '4Gi', ephemeralStorage: '512Mi' },
  }).prefault({}),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'the least important level that is logged' }),
})
export type ControlPlaneSettings = z.infer<typeof controlPlaneSettings>
