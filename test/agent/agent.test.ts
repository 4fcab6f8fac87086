import { describe, expect, test } from '@jest/globals'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import type { ManifestIndex } from '../../lib/output/manifest-index.ts'
import { composed, object } from '../support/composed.ts'
import { problemsOf } from '../support/layers.ts'

const system = 'regent-system'

function variables(index: ManifestIndex, agentId: string): Readonly<Record<string, unknown>> {
  const { env } = container(index, agentId)
  return Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]))
}

interface AgentContainer {
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[]
  readonly image: string
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
}
interface AgentDeployment {
  readonly spec: {
    readonly replicas: number
    readonly strategy: unknown
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly serviceAccountName: string
        readonly automountServiceAccountToken: boolean
        readonly containers: readonly [AgentContainer]
        readonly volumes: readonly { readonly name: string; readonly projected?: unknown; readonly secret?: unknown }[]
        readonly topologySpreadConstraints: readonly {
          readonly whenUnsatisfiable: string
          readonly matchLabelKeys: readonly string[]
        }[]
      }
    }
  }
}

function deployment(index: ManifestIndex, agentId: string): AgentDeployment {
  return object(index, 'Deployment', system, `regent-agent-${agentId}`) as Manifest & AgentDeployment
}
function container(index: ManifestIndex, agentId: string): AgentContainer {
  return deployment(index, agentId).spec.template.spec.containers[0]
}

describe('a single agent without election', () => {
  const index = composed(dev)

  test('never runs twice during a rollout, because two would evict each other', () => {
    expect(deployment(index, 'dev').spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
  })

  test('has no permission for Leases, no fence and no budget', () => {
    const roles = index.ofKind('Role').filter(({ metadata }) => metadata.name === 'regent-agent-dev')
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(['regent-sessions'])
    expect(index.ofKind('ValidatingAdmissionPolicy').map(({ metadata }) => metadata.name)).toEqual([
      'regent-consensus-replicas',
    ])
    expect(index.find('PodDisruptionBudget', system, 'regent-agent-dev')).toBeUndefined()
  })

  test('is told that election is off, and nothing of its timing', () => {
    const env = variables(index, 'dev')
    expect(env).toMatchObject({ ENABLE_HA: 'false', REPLICAS: '1', AGENT_ID: 'dev' })
    expect(Object.keys(env).filter((name) => /LEASE|RENEW|RETRY|ABORT|EVIDENCE/.test(name))).toEqual([])
    expect(container(index, 'dev').ports.map(({ name }) => name)).toEqual(['health'])
  })
})

describe('replicas of which one leads', () => {
  const index = composed(local)

  test('roll without ever being fewer', () => {
    expect(deployment(index, 'local').spec).toMatchObject({
      replicas: 3,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    })
  })

  test('find a Lease that nobody holds: the fence refuses everybody while its parameter is missing', () => {
    const lease = object(index, 'Lease', system, 'regent-agent-local')
    expect(lease).not.toHaveProperty('spec')
    expect(composed(dev).ofKind('Lease')).toEqual([])
  })

  test('get the timing of the profile, and what the environment overrides', () => {
    expect(variables(index, 'local')).toMatchObject({
      ENABLE_HA: 'true',
      LEASE_DURATION_SECONDS: '6',
      RENEW_DEADLINE_SECONDS: '4',
      RETRY_PERIOD_SECONDS: '1.5',
      ABORT_BUDGET_SECONDS: '1',
    })
    const overridden = composed(local, {
      agent: { leaderElection: { profile: 'standard', retryPeriodSeconds: 3 } },
    })
    expect(variables(overridden, 'local')).toMatchObject({ LEASE_DURATION_SECONDS: '15', RETRY_PERIOD_SECONDS: '3' })
  })

  test('may touch their own Lease only, with the verbs that the contract declares', () => {
    const role = object(index, 'Role', system, 'regent-agent-local')
    expect(role['rules']).toEqual([
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        verbs: ['get', 'watch', 'update'],
        resourceNames: ['regent-agent-local'],
      },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
    ])
    // The UID of that namespace is the lineage of every epoch.
    expect(object(index, 'Role', 'kube-system', 'regent-agent-local')['rules']).toEqual([
      { apiGroups: [''], resources: ['namespaces'], verbs: ['get'], resourceNames: ['kube-system'] },
    ])
  })

  test('act on evidence of death unless the environment says otherwise, and watch pods for nothing else', () => {
    expect(variables(index, 'local')).toMatchObject({ PEER_EVIDENCE: 'true', POD_EVIDENCE: 'true' })
    const blind = composed(local, { agent: { leaderElection: { evidence: { peers: false, pods: false } } } })
    expect(variables(blind, 'local')).toMatchObject({ PEER_EVIDENCE: 'false', POD_EVIDENCE: 'false' })
    expect(JSON.stringify(object(blind, 'Role', system, 'regent-agent-local')['rules'])).not.toContain('pods')
    // The leader knows its standbys by their connections, whatever these prove.
    expect(container(blind, 'local').ports).toContainEqual(expect.objectContaining({ name: 'peer' }))
  })

  test('hold their permissions by a ServiceAccount of their own', () => {
    for (const namespace of [system, 'regent-sessions', 'kube-system']) {
      expect(object(index, 'RoleBinding', namespace, 'regent-agent-local')).toMatchObject({
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'regent-agent-local' },
        subjects: [{ kind: 'ServiceAccount', name: 'regent-agent-local', namespace: system }],
      })
    }
    expect(deployment(index, 'local').spec.template.spec).toMatchObject({
      serviceAccountName: 'regent-agent-local',
      automountServiceAccountToken: true,
    })
  })

  test('keep one of them through a drain', () => {
    expect(object(index, 'PodDisruptionBudget', system, 'regent-agent-local')['spec']).toMatchObject({
      minAvailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: {
        matchLabels: { 'app.kubernetes.io/name': 'regent-agent', 'app.kubernetes.io/instance': 'local' },
      },
    })
  })

  test('spread where it is possible and never block a rollout', () => {
    const spread = deployment(index, 'local').spec.template.spec.topologySpreadConstraints
    expect(spread.map(({ whenUnsatisfiable }) => whenUnsatisfiable)).toEqual(['ScheduleAnyway', 'ScheduleAnyway'])
    expect(spread.every(({ matchLabelKeys }) => matchLabelKeys.includes('pod-template-hash'))).toBe(true)
  })

  test('roll when their configuration changes, and only then', () => {
    const hash = (other: ManifestIndex) =>
      deployment(other, 'local').spec.template.metadata.annotations['regent.dev/configuration-hash']
    expect(hash(composed(local))).toBe(hash(index))
    expect(hash(composed(local, { agent: { drainBudgetSeconds: 20 } }))).not.toBe(hash(index))
  })
})

describe('the admission fence', () => {
  const name = 'regent-agent-local-fence'
  const index = composed(local)

  test('covers every write that the agent may do to sessions', () => {
    const policy = object(index, 'ValidatingAdmissionPolicy', undefined, name)['spec'] as {
      matchConstraints: { resourceRules: { apiGroups: string[]; resources: string[]; operations: string[] }[] }
    }
    const role = object(index, 'Role', 'regent-sessions', 'regent-agent-local') as Manifest & {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[]
    }
    const written = role.rules.filter(({ verbs }) =>
      verbs.some((verb) => ['create', 'update', 'patch', 'delete'].includes(verb)),
    )
    expect(policy.matchConstraints.resourceRules.map(({ apiGroups, resources }) => [apiGroups, resources])).toEqual(
      written.map(({ apiGroups, resources }) => [apiGroups, resources]),
    )
    for (const { operations } of policy.matchConstraints.resourceRules) {
      expect(operations).toEqual(['CREATE', 'UPDATE', 'DELETE'])
    }
  })

  test('takes the Lease as its parameter, and denies where there is none', () => {
    expect(object(index, 'ValidatingAdmissionPolicyBinding', undefined, name)['spec']).toEqual({
      policyName: name,
      paramRef: { name: 'regent-agent-local', namespace: system, parameterNotFoundAction: 'Deny' },
      validationActions: ['Deny'],
    })
  })

  test('is left out where Kubernetes does not serve it', () => {
    const older = composed(local, { cluster: { kubernetesVersion: '1.29' } })
    expect(older.ofKind('ValidatingAdmissionPolicy')).toEqual([])
  })
})

describe('the proof of an agent', () => {
  test('is a projected token in the same cluster, and the authority of the control plane', () => {
    const index = composed(staging)
    const { volumes } = deployment(index, 'staging').spec.template.spec
    expect(volumes.find(({ name }) => name === 'control-plane-token')?.projected).toMatchObject({
      sources: [{ serviceAccountToken: { audience: 'regent-control-plane', path: 'token', expirationSeconds: 3600 } }],
    })
    expect(volumes.find(({ name }) => name === 'control-plane-ca')?.secret).toMatchObject({
      secretName: 'regent-control-plane-tls',
      // The key of the certificate stays where it is needed.
      items: [{ key: 'ca.crt', path: 'ca.crt' }],
    })
    expect(variables(index, 'staging')).toMatchObject({
      CONTROL_PLANE_URL: 'https://regent-control-plane.regent-system.svc:8001',
      CONTROL_PLANE_TOKEN_FILE: '/var/run/secrets/regent.dev/control-plane/token',
      CONTROL_PLANE_CA_FILE: '/etc/regent/control-plane-ca/ca.crt',
    })
  })

  test('is an API key where the control plane is elsewhere, and then nothing of a control plane is written', () => {
    const index = composed(staging, {
      controlPlane: null,
      consensus: null,
      agent: {
        controlPlane: {
          url: 'https://agents.example.com:8443',
          cidrs: ['192.0.2.0/24'],
          apiKeySecretName: 'agent-api-key',
        },
      },
    })
    const env = variables(index, 'staging')
    expect(env).toMatchObject({
      CONTROL_PLANE_URL: 'https://agents.example.com:8443',
      AGENT_API_KEY_FILE: '/var/run/secrets/regent.dev/api-key/key',
    })
    expect(env).not.toHaveProperty('CONTROL_PLANE_TOKEN_FILE')
    expect(env).not.toHaveProperty('CLIENT_KEY_FILE')
    expect(index.ofKind('StatefulSet')).toEqual([])
    expect(index.ofKind('Deployment').map(({ metadata }) => metadata.name)).toEqual(['regent-agent-staging'])
    expect(index.resolves('Secret', system, 'agent-api-key')).toBe(true)
    expect(object(index, 'NetworkPolicy', system, 'regent-agent')['spec']).toMatchObject({
      egress: expect.arrayContaining([
        { to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ protocol: 'TCP', port: 8443 }] },
      ]) as unknown,
    })
  })

  test('is a client certificate of its own where that is named instead', () => {
    const controlPlane = {
      url: 'https://agents.example.com',
      cidrs: ['192.0.2.0/24'],
      clientCertificateSecretName: 'agent-certificate',
      caSecretName: 'away-ca',
    }
    const index = composed(staging, { controlPlane: null, consensus: null, agent: { controlPlane } })
    const env = variables(index, 'staging')
    expect(env).toMatchObject({
      CLIENT_CERTIFICATE_FILE: '/var/run/secrets/regent.dev/client-certificate/tls.crt',
      CLIENT_KEY_FILE: '/var/run/secrets/regent.dev/client-certificate/tls.key',
    })
    expect(env).not.toHaveProperty('CONTROL_PLANE_TOKEN_FILE')
    expect(env).not.toHaveProperty('AGENT_API_KEY_FILE')
    const { volumes } = deployment(index, 'staging').spec.template.spec
    expect(volumes.find(({ name }) => name === 'client-certificate')?.secret).toMatchObject({
      secretName: 'agent-certificate',
      items: [
        { key: 'tls.crt', path: 'tls.crt' },
        { key: 'tls.key', path: 'tls.key' },
      ],
    })
    expect(index.externals).toContainEqual(
      expect.objectContaining({
        name: 'agent-certificate',
        keys: ['tls.crt', 'tls.key'],
        purpose: expect.stringContaining('agent:staging') as unknown,
      }),
    )
    expect(index.resolves('Secret', system, 'away-ca')).toBe(true)
    expect(problemsOf(staging, { controlPlane: null, consensus: null, agent: { controlPlane } })).toEqual([])
  })
})
