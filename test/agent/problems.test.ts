import { describe, expect, test } from '@jest/globals'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { staging } from '../../environments/staging.ts'
import type { EnvironmentPart } from '../../lib/config/layer.ts'
import { problemsOf } from '../support/layers.ts'

describe('fails if', () => {
  test('several replicas run without election', () => {
    expect(problemsOf(dev, { agent: { replicas: 2 } })).toContainEqual(
      expect.objectContaining({
        path: 'dev.agent.replicas',
        received: '2',
        severity: 'error',
        fix: expect.stringContaining('evict each other') as unknown,
      }),
    )
  })

  test('a leader could still work when another one starts', () => {
    expect(problemsOf(local, { agent: { leaderElection: { abortBudgetSeconds: 1.5 } } })).toContainEqual(
      expect.objectContaining({ path: 'local.agent.leaderElection.leaseDurationSeconds', severity: 'error' }),
    )
  })

  test('one slow request would end a leadership', () => {
    expect(problemsOf(local, { agent: { leaderElection: { retryPeriodSeconds: 3.2 } } })).toContainEqual(
      expect.objectContaining({ path: 'local.agent.leaderElection.renewDeadlineSeconds', severity: 'error' }),
    )
  })

  test('a pod would be killed in the middle of its graceful stop', () => {
    expect(problemsOf(local, { agent: { terminationGracePeriodSeconds: 35 } })).toContainEqual(
      expect.objectContaining({ path: 'local.agent.terminationGracePeriodSeconds', received: '35' }),
    )
    // Without election nothing has to be aborted after a lost Lease.
    expect(problemsOf(dev, { agent: { terminationGracePeriodSeconds: 35 } })).toEqual([])
    expect(problemsOf(dev, { agent: { terminationGracePeriodSeconds: 34 } })).toHaveLength(1)
  })
})

describe('an agent of a control plane elsewhere', () => {
  const away = { url: 'https://agents.example.com', cidrs: ['192.0.2.0/24'] }
  const problems = (controlPlane: NonNullable<EnvironmentPart['agent']>['controlPlane'], layer = staging) =>
    problemsOf(layer, { controlPlane: null, consensus: null, agent: { controlPlane } }).map(({ path, received }) => [
      path,
      received,
    ])

  test('proves itself by exactly one thing', () => {
    expect(problems({ ...away, apiKeySecretName: 'a' })).toEqual([])
    expect(problems({ ...away, clientCertificateSecretName: 'a' })).toEqual([])
    const path = 'staging.agent.controlPlane.apiKeySecretName'
    expect(problems(away)).toEqual([[path, 'neither it nor clientCertificateSecretName']])
    expect(problems({ ...away, apiKeySecretName: 'a', clientCertificateSecretName: 'b' })).toEqual([[path, 'both']])
  })

  test('is not asked to send its key in the clear, nor a certificate without TLS', () => {
    const plain = { ...away, url: 'http://agents.example.com' }
    expect(problems({ ...plain, apiKeySecretName: 'a' })).toEqual([['staging.agent.controlPlane.url', plain.url]])
    expect(problems({ ...plain, apiKeySecretName: 'a' }, local)).toEqual([])
    expect(problems({ ...plain, clientCertificateSecretName: 'a' }, local)).toEqual([
      ['local.agent.controlPlane.url', plain.url],
    ])
  })
})

test('a cluster that cannot enforce the fence is warned about', () => {
  const problems = problemsOf(staging, { cluster: { kubernetesVersion: '1.29' } })
  expect(problems).toContainEqual(
    expect.objectContaining({ path: 'staging.cluster.kubernetesVersion', received: '1.29', severity: 'warning' }),
  )
})

test('evidence of death is warned about where no fence would refuse what a leader that lives still writes', () => {
  const kubernetesVersion = '1.29'
  const warned = (evidence: { peers: boolean; pods: boolean }) =>
    problemsOf(staging, { cluster: { kubernetesVersion }, agent: { leaderElection: { evidence } } })
      .filter(({ path, severity }) => path.includes('.evidence.') && severity === 'warning')
      .map(({ path }) => path)
  expect(warned({ peers: true, pods: false })).toEqual(['staging.agent.leaderElection.evidence.peers'])
  expect(warned({ peers: false, pods: true })).toEqual(['staging.agent.leaderElection.evidence.pods'])
  expect(warned({ peers: false, pods: false })).toEqual([])
  expect(problemsOf(staging, {})).toEqual([])
})
