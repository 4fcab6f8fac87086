import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
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

test('TLS is served where a certificate is named', () => {
  const pod = podEnvironment()
  made.push(pod)
  const file = join(pod.folder, 'token')
  const result = readConfiguration({ ...pod.environment, TLS_CERTIFICATE_FILE: file, TLS_KEY_FILE: file })
  expect(result).toMatchObject({ configuration: { servesTls: true, tlsKeyFile: file } })
})
