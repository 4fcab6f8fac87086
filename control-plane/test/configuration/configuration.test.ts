import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { describeProblem } from '@regent/contract/problem.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { readConfiguration } from '../../src/configuration/configuration.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'

const made: PodEnvironment[] = []
afterEach(() => {
  for (const { remove } of made.splice(0)) remove()
})

function read(changed: Environment = {}) {
  const pod = podEnvironment(changed)
  made.push(pod)
  return readConfiguration(pod.environment)
}

function problems(changed: Environment): string {
  const result = read(changed)
  return 'problems' in result ? result.problems.map(describeProblem).join('\n') : ''
}

test('what a manifest sets is read, and the rest has its default', () => {
  expect(read()).toMatchObject({
    configuration: {
      podName: 'regent-control-plane-0',
      etcdEndpoints: ['http://127.0.0.1:2379'],
      heartbeatIntervalSeconds: 30,
      staleAfterSeconds: 75,
      mostOpenCommands: 1000,
      servesTls: false,
    },
  })
})

test('everything that is wrong is said at once', () => {
  const text = problems({
    ETCD_ENDPOINTS: undefined,
    REGION: 'Local!',
    LOG_LEVEL: 'loud',
    KUBERNETES_CA_FILE: '/absent',
  })
  for (const variable of ['ETCD_ENDPOINTS', 'REGION', 'LOG_LEVEL', 'KUBERNETES_CA_FILE'])
    expect(text).toContain(variable)
})

describe('fails if', () => {
  test.each<[string, Environment, string]>([
    [
      'an agent would be stale after one late heartbeat',
      { STALE_AFTER_SECONDS: '74' },
      'STALE_AFTER_SECONDS: expected at least 2.5',
    ],
    [
      'endpoints of etcd are mixed',
      { ETCD_ENDPOINTS: 'http://a:2379,https://b:2379' },
      'ETCD_ENDPOINTS: expected URLs of one scheme',
    ],
    [
      'a certificate has no key',
      { TLS_CERTIFICATE_FILE: '/etc/hostname' },
      'TLS_KEY_FILE: expected a file, because TLS_CERTIFICATE_FILE is set',
    ],
    ['a key has no certificate', { ETCD_KEY_FILE: '/etc/hostname' }, 'ETCD_CERTIFICATE_FILE: expected a file'],
    ['a file of a part is not there', { ETCD_CA_FILE: '/absent' }, 'ETCD_CA_FILE: expected a file that is there'],
  ])('%s', (_, changed, expected) => expect(problems(changed)).toContain(expected))
})

const oidc = {
  OIDC_ISSUER_URL: 'https://login.example.com/realms/main/',
  OIDC_AUDIENCE: 'regent',
  OIDC_ROLE_CLAIM: '["realm_access","roles"]',
  OIDC_ADMINS: '["platform team"]',
}

describe('an OpenID provider', () => {
  test('is there where it is named, with what makes whom of its people', () => {
    expect(read()).toMatchObject({ configuration: { oidc: undefined } })
    const changed = {
      OIDC_VIEWERS: '["everybody","CN=a,OU=b","__proto__"]',
      OIDC_NAME_CLAIM: 'email',
      OIDC_ALGORITHMS: 'PS256',
      OIDC_CA_FILE: '/etc/hostname',
    }
    expect(read({ ...oidc, ...changed })).toMatchObject({
      configuration: {
        oidc: {
          issuer: 'https://login.example.com/realms/main/',
          audience: 'regent',
          roleClaim: ['realm_access', 'roles'],
          nameClaim: 'email',
          algorithms: ['PS256'],
          caFile: '/etc/hostname',
        },
      },
    })
    const result = read({ ...oidc, ...changed })
    const roles = 'configuration' in result ? Object.entries(result.configuration.oidc?.roles ?? {}) : []
    expect(roles).toEqual([
      ['everybody', 'viewer'],
      ['CN=a,OU=b', 'viewer'],
      ['__proto__', 'viewer'],
      ['platform team', 'admin'],
    ])
  })

  test.each<[string, Environment, string]>([
    ['its audience is missing', { OIDC_AUDIENCE: undefined }, 'OIDC_AUDIENCE: expected 1 to 256 printable'],
    ['nobody has a role', { OIDC_ADMINS: '[]' }, 'OIDC_ADMINS: expected a value in OIDC_VIEWERS, OIDC_OPERATORS or'],
    [
      'a value gives two roles',
      { OIDC_OPERATORS: '["a"]', OIDC_ADMINS: '["a"]' },
      'OIDC_ADMINS: expected every value once, got "a", which is in OIDC_OPERATORS too',
    ],
    ['it is asked without TLS', { OIDC_ISSUER_URL: 'http://a' }, 'OIDC_ISSUER_URL: expected one https URL'],
    ['it signs with what everybody knows', { OIDC_ALGORITHMS: 'HS256' }, 'OIDC_ALGORITHMS: expected some of RS256'],
    ['its authority is not there', { OIDC_CA_FILE: '/absent' }, 'OIDC_CA_FILE: expected a file that is there'],
  ])('fails if %s', (_, changed, expected) => expect(problems({ ...oidc, ...changed })).toContain(expected))

  test('fails if it has an authority and is not named itself', () => {
    expect(problems({ OIDC_CA_FILE: '/etc/hostname' })).toContain(
      'OIDC_ISSUER_URL: expected a url, because OIDC_CA_FILE',
    )
  })
})

test('it reads the variables of the contract, and no others', () => {
  const pod = podEnvironment(oidc)
  made.push(pod)
  const names = new Set<string>()
  const observed: Environment = new Proxy(pod.environment, {
    get: (target, name: string) => {
      names.add(name)
      return target[name]
    },
  })
  expect(readConfiguration(observed)).toHaveProperty('configuration')
  expect([...names].sort()).toEqual(
    Object.values(controlPlane.env)
      .map(({ variable }) => variable)
      .sort(),
  )
})

test('fails if client certificates are asked for without TLS', () => {
  expect(problems({ AGENT_CA_FILE: '/etc/hostname' })).toContain(
    'TLS_CERTIFICATE_FILE: expected a file, because AGENT_CA_FILE is set',
  )
})

test('TLS is served where a certificate is named', () => {
  const pod = podEnvironment()
  made.push(pod)
  const file = join(pod.folder, 'token')
  const result = readConfiguration({ ...pod.environment, TLS_CERTIFICATE_FILE: file, TLS_KEY_FILE: file })
  expect(result).toMatchObject({ configuration: { servesTls: true, tlsKeyFile: file } })
})
