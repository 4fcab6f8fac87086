import { describe, expect, test } from '@jest/globals'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { productionUsEast1 } from '../../environments/production-us-east-1.ts'
import { staging } from '../../environments/staging.ts'
import { controlPlaneSettings } from '../../lib/control-plane/settings.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { composed, object } from '../support/composed.ts'
import { problemsOf } from '../support/layers.ts'

const system = 'regent-system'
const name = 'regent-control-plane'

describe('replicas of the control plane', () => {
  test('are written where nobody else owns their number', () => {
    expect(object(composed(local), 'Deployment', system, name)['spec']).toMatchObject({ replicas: 2 })
    expect(composed(local).ofKind('HorizontalPodAutoscaler')).toEqual([])
  })

  test('are left to the autoscaler where there is one', () => {
    const index = composed(productionUsEast1)
    expect(object(index, 'Deployment', system, name)['spec']).not.toHaveProperty('replicas')
    expect(object(index, 'HorizontalPodAutoscaler', system, name)).toMatchObject({
      apiVersion: 'autoscaling/v2',
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
        minReplicas: 20,
        maxReplicas: 100,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 80 } } },
        ],
        behavior: {
          scaleUp: { stabilizationWindowSeconds: 60, policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }] },
          scaleDown: {
            stabilizationWindowSeconds: 300,
            policies: [{ type: 'Percent', value: 10, periodSeconds: 300 }],
          },
        },
      },
    })
    expect(index.externals).toContainEqual(expect.objectContaining({ name: 'v1beta1.metrics.k8s.io' }))
  })

  test('roll without ever being fewer', () => {
    expect(object(composed(local), 'Deployment', system, name)['spec']).toMatchObject({
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    })
  })

  test.each([
    [2, { maxUnavailable: 1 }],
    [4, { maxUnavailable: 1 }],
    [5, { minAvailable: '80%' }],
    [20, { minAvailable: '80%' }],
  ])('%i of them leave a drain one to evict', (replicas, budget) => {
    const { spec } = object(composed(local, { controlPlane: { replicas } }), 'PodDisruptionBudget', system, name)
    expect(spec).toMatchObject({ ...budget, unhealthyPodEvictionPolicy: 'AlwaysAllow' })
    expect(Object.keys(spec as object).filter((key) => /Available$|Unavailable$/.test(key))).toHaveLength(1)
  })

  test('have no budget when there is one', () => {
    expect(composed(dev).find('PodDisruptionBudget', system, name)).toBeUndefined()
  })
})

describe('what the control plane talks to', () => {
  test('is etcd by its Service, plain in development', () => {
    const text = JSON.stringify(object(composed(local), 'Deployment', system, name))
    expect(text).toContain('"http://regent-consensus.regent-system.svc:2379"')
    expect(text).not.toContain('ETCD_CA_FILE')
  })

  test('is etcd by TLS with a certificate of its own elsewhere', () => {
    const text = JSON.stringify(object(composed(staging), 'Deployment', system, name))
    expect(text).toContain('"https://regent-consensus.regent-system.svc:2379"')
    expect(text).toContain('{"name":"ETCD_KEY_FILE","value":"/etc/regent/etcd-tls/tls.key"}')
    expect(text).toContain('"secretName":"regent-consensus-client-tls"')
    expect(text).not.toContain('regent-consensus-peer-tls')
  })
})

describe('what callers may prove themselves by', () => {
  const variables = (index: ReturnType<typeof composed>) => {
    const { spec } = object(index, 'Deployment', system, name) as Manifest & {
      spec: { template: { spec: { containers: [{ env: { name: string; value?: string }[] }] } } }
    }
    return Object.fromEntries(spec.template.spec.containers[0].env.map((one) => [one.name, one.value]))
  }
  const text = (index: ReturnType<typeof composed>) => JSON.stringify(object(index, 'Deployment', system, name))
  const oidc = {
    issuerUrl: 'https://login.example.com/realms/main/',
    audience: 'regent',
    roleClaim: ['realm_access', 'roles'],
    roles: { viewer: ['everybody', 'CN=a,OU=b'], admin: ['$(POD_NAME)'] },
    cidrs: ['192.0.2.0/24', '198.51.100.0/24'],
  }

  test('is nothing more than keys and tokens unless the environment says so', () => {
    for (const [key] of Object.entries(variables(composed(staging)))) expect(key).not.toMatch(/^OIDC|^AGENT_CA/)
    expect(text(composed(staging))).not.toMatch(/oidc|agent-ca/)
  })

  test('is an OpenID provider, which it may call, and what makes whom of its people', () => {
    const index = composed(staging, { controlPlane: { oidc } })
    expect(variables(index)).toMatchObject({
      OIDC_ISSUER_URL: 'https://login.example.com/realms/main/',
      OIDC_AUDIENCE: 'regent',
      OIDC_ROLE_CLAIM: '["realm_access","roles"]',
      OIDC_NAME_CLAIM: 'sub',
      OIDC_VIEWERS: '["everybody","CN=a,OU=b"]',
      OIDC_OPERATORS: '[]',
      // Kubernetes would put the value of a variable there.
      OIDC_ADMINS: '["$$(POD_NAME)"]',
      OIDC_ALGORITHMS: 'RS256,ES256',
    })
    expect(variables(index)).not.toHaveProperty('OIDC_CA_FILE')
    expect(object(index, 'NetworkPolicy', system, name)['spec']).toMatchObject({
      egress: expect.arrayContaining(
        oidc.cidrs.map((cidr) => ({ to: [{ ipBlock: { cidr } }], ports: [{ protocol: 'TCP', port: 443 }] })),
      ) as unknown,
    })
  })

  test('is checked by the authority of the provider where it has one of its own', () => {
    const index = composed(staging, { controlPlane: { oidc: { ...oidc, caSecretName: 'login-ca' } } })
    expect(variables(index)).toMatchObject({ OIDC_CA_FILE: '/etc/regent/oidc-ca/ca.crt' })
    expect(text(index)).toContain('"secretName":"login-ca"')
    expect(index.externals).toContainEqual(expect.objectContaining({ name: 'login-ca', keys: ['ca.crt'] }))
  })

  test('is a client certificate of an agent elsewhere, where its authority is named', () => {
    const agentCertificates = { caSecretName: 'agents-ca' }
    const index = composed(staging, { controlPlane: { agentCertificates } })
    expect(variables(index)).toMatchObject({ AGENT_CA_FILE: '/etc/regent/agent-ca/ca.crt' })
    expect(text(index)).toContain('"secretName":"agents-ca"')
    expect(index.externals).toContainEqual(expect.objectContaining({ name: 'agents-ca', keys: ['ca.crt'] }))
    expect(
      problemsOf(staging, { controlPlane: { agentCertificates, oidc, clients: { namespaces: ['ingress'] } } }),
    ).toEqual([])
  })
})

test('how many commands of an agent may be open is a setting', () => {
  const index = composed(local, { controlPlane: { mostOpenCommands: 7 } })
  expect(JSON.stringify(object(index, 'Deployment', system, name))).toContain(
    '{"name":"MOST_OPEN_COMMANDS","value":"7"}',
  )
})

describe('proxies', () => {
  test('are trusted where the environment names them', () => {
    const text = (trustedProxies: string[]): string =>
      JSON.stringify(object(composed(local, { controlPlane: { trustedProxies } }), 'Deployment', system, name))
    expect(text(['10.0.0.0/24', 'fd00::/64'])).toContain('{"name":"TRUSTED_PROXIES","value":"10.0.0.0/24,fd00::/64"}')
    expect(text([])).toContain('{"name":"TRUSTED_PROXIES","value":"none"}')
  })

  test.each(['0.0.0.0/0', '::/0', ':0:/120', '10.0.0.1'])('fails if one is %s', (range) => {
    expect(controlPlaneSettings.shape.trustedProxies.safeParse(['10.0.0.0/8', range]).success).toBe(false)
  })
})

test('the Service offers every port that the program opens, by name', () => {
  expect(object(composed(local), 'Service', system, name)['spec']).toMatchObject({
    ports: [
      { name: 'api', port: 8000, targetPort: 'api', appProtocol: 'http' },
      { name: 'agents', port: 8001, targetPort: 'agents', appProtocol: 'kubernetes.io/ws' },
      { name: 'health', port: 8080, targetPort: 'health', appProtocol: 'http' },
    ],
  })
})

test('the control plane holds no permission of its own', () => {
  const index = composed(staging)
  expect(index.find('ServiceAccount', system, name)).toBeDefined()
  expect(index.ofKind('RoleBinding').filter((binding) => JSON.stringify(binding).includes(name))).toEqual([])
})

test('there is an account for the first administrator, with no permission and no pod', () => {
  const index = composed(local)
  expect(object(index, 'ServiceAccount', system, 'regent-admin')).toMatchObject({ automountServiceAccountToken: false })
  const subjects = index.ofKind('RoleBinding').flatMap((binding) => binding['subjects'] as { name: string }[])
  expect(subjects.map((subject) => subject.name)).not.toContain('regent-admin')
})
