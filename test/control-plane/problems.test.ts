import { describe, expect, test } from '@jest/globals'
import type { EnvironmentPart } from '../../lib/config/layer.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import { problemsOf } from '../support/layers.ts'

const oidc = {
  issuerUrl: 'https://login.example.com',
  audience: 'regent',
  roleClaim: ['groups'],
  roles: { viewer: ['everybody'], admin: ['platform team'] },
  cidrs: ['192.0.2.0/24'],
}
const elsewhere = { url: 'https://cp.test', cidrs: ['192.0.2.0/24'], apiKeySecretName: 'key' }

describe('fails if', () => {
  test.each<[string, EnvironmentPart, string]>([
    ['there is no control plane anywhere', { controlPlane: null, consensus: null }, 'agent.controlPlane'],
    ['consensus has nobody to serve', { controlPlane: null, agent: { controlPlane: elsewhere } }, 'consensus'],
    [
      'agents would not know which control plane is meant',
      { agent: { controlPlane: elsewhere } },
      'agent.controlPlane',
    ],
    ['the control plane has no store', { consensus: null }, 'consensus'],
    [
      'the autoscaler could never reach its minimum',
      { controlPlane: { autoscaling: { maxReplicas: 2 } } },
      'controlPlane.autoscaling.maxReplicas',
    ],
    [
      'one late heartbeat makes an agent stale',
      { controlPlane: { staleAfterSeconds: 74 } },
      'controlPlane.staleAfterSeconds',
    ],
    [
      'a pod that stops would refuse whoever is still sent to it',
      { controlPlane: { drainBudgetSeconds: 4 } },
      'controlPlane.drainBudgetSeconds',
    ],
    [
      'connections would be cut in the middle of their move',
      { controlPlane: { terminationGracePeriodSeconds: 34 } },
      'controlPlane.terminationGracePeriodSeconds',
    ],
    ['tokens would travel in the clear', { controlPlane: { tlsSecretName: null } }, 'controlPlane.tlsSecretName'],
    [
      'nobody of the OpenID provider could do anything',
      { controlPlane: { oidc: { ...oidc, roles: {} } } },
      'controlPlane.oidc.roles',
    ],
    [
      'a value makes two things of its owner',
      { controlPlane: { oidc: { ...oidc, roles: { viewer: ['team'], admin: ['team'] } } } },
      'controlPlane.oidc.roles.admin',
    ],
    [
      'a value is there twice',
      { controlPlane: { oidc: { ...oidc, roles: { viewer: ['team', 'team'] } } } },
      'controlPlane.oidc.roles.viewer',
    ],
    [
      'an algorithm is there twice',
      { controlPlane: { oidc: { ...oidc, algorithms: ['RS256', 'RS256'] } } },
      'controlPlane.oidc.algorithms',
    ],
    [
      'the keys of the provider would come in the clear',
      { controlPlane: { oidc: { ...oidc, issuerUrl: 'http://login.example.com' } } },
      'controlPlane.oidc.issuerUrl',
    ],
  ])('%s', (_, part, path) => {
    expect(problemsOf(staging, part)).toContainEqual(
      expect.objectContaining({ path: `staging.${path}`, severity: 'error' }),
    )
  })

  test('the public URL of a plain API promises TLS', () => {
    expect(problemsOf(local, { controlPlane: { publicUrl: 'https://localhost:8000' } })).toContainEqual(
      expect.objectContaining({ path: 'local.controlPlane.publicUrl' }),
    )
  })
})

test('fails if certificates of agents are asked for without TLS', () => {
  expect(problemsOf(local, { controlPlane: { agentCertificates: { caSecretName: 'agents' } } })).toContainEqual(
    expect.objectContaining({ path: 'local.controlPlane.agentCertificates', severity: 'error' }),
  )
})

test('warns if agents elsewhere may come with certificates, and nobody from elsewhere may come', () => {
  const agentCertificates = { caSecretName: 'agents' }
  const clients = { cidrs: ['192.0.2.0/24'] }
  expect(problemsOf(staging, { controlPlane: { agentCertificates } })).toEqual([
    expect.objectContaining({ path: 'staging.controlPlane.clients', severity: 'warning' }),
  ])
  expect(problemsOf(staging, { controlPlane: { agentCertificates, clients } })).toEqual([])
})

test('a correct environment has no problem', () => {
  expect(problemsOf(staging, {})).toEqual([])
  expect(problemsOf(staging, { controlPlane: { oidc } })).toEqual([])
})
