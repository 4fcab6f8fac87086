import { describe, expect, test } from '@jest/globals'
import type { EnvironmentPart } from '../../lib/config/layer.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import { problemsOf } from '../support/layers.ts'

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
      'connections would be cut in the middle of their move',
      { controlPlane: { terminationGracePeriodSeconds: 34 } },
      'controlPlane.terminationGracePeriodSeconds',
    ],
    ['tokens would travel in the clear', { controlPlane: { tlsSecretName: null } }, 'controlPlane.tlsSecretName'],
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

test('a correct environment has no problem', () => {
  expect(problemsOf(staging, {})).toEqual([])
})
