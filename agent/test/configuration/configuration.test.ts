import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { describeProblem } from '@regent/contract/problem.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { readConfiguration } from '../../src/configuration/configuration.ts'
import { podEnvironment } from '../support/pod-environment.ts'

const pod = podEnvironment()
afterAll(pod.remove)

/** The lines that are printed for an environment with these changes. */
function lines(changes: Readonly<Record<string, string | undefined>>): readonly string[] {
  const result = readConfiguration(pod.with(changes))
  return 'problems' in result ? result.problems.map(describeProblem) : []
}

test('what the manifests write is accepted, with the defaults of what they leave out', () => {
  expect(readConfiguration(pod.with({}))).toMatchObject({
    configuration: {
      agentId: 'local',
      replicas: 3,
      leaderElection: true,
      leaseDurationSeconds: 6,
      renewDeadlineSeconds: 4,
      retryPeriodSeconds: 1.5,
      abortBudgetSeconds: 1,
      drainBudgetSeconds: 30,
      peerEvidence: true,
      logLevel: 'info',
    },
  })
})

const required = Object.values(agent.env)
  .filter((variable) => !('default' in variable) && !('when' in variable))
  .map(({ variable }) => variable)

test.each(required)('fails if %s is missing', (variable) => {
  expect(lines({ [variable]: undefined })).toEqual([
    expect.stringMatching(new RegExp(`^${variable}: expected .+, got nothing; set ${variable}: .+`)),
  ])
})

const malformed: Readonly<Record<string, readonly string[]>> = {
  AGENT_ID: ['', 'Local', 'a_b', 'a'.repeat(41)],
  REPLICAS: ['0', '10', '2.5', 'three', ''],
  REGION: ['', 'US EAST'],
  CONTROL_PLANE_URL: ['', 'localhost', 'ftp://host', 'http://user:password@host'],
  CONTROL_PLANE_TOKEN_FILE: ['', 'token', './token'],
  AGENT_API_KEY_FILE: ['', 'hunter2'],
  CLIENT_CERTIFICATE_FILE: ['', 'tls.crt'],
  CLIENT_KEY_FILE: ['', '-----BEGIN PRIVATE KEY-----'],
  CONTROL_PLANE_CA_FILE: ['ca.crt'],
  NAMESPACE: ['', '-'],
  MAX_SESSIONS: ['0', '10001', 'many'],
  MAX_CPU: ['', 'much'],
  MAX_MEMORY: ['8 Gi', '-1Gi'],
  ENABLE_HA: ['', 'yes', 'TRUE', '1'],
  LEASE_DURATION_SECONDS: ['1', '601', '6.5', ''],
  RENEW_DEADLINE_SECONDS: ['0', '601', 'NaN', 'Infinity'],
  RETRY_PERIOD_SECONDS: ['0', '61', '-1'],
  ABORT_BUDGET_SECONDS: ['0', '61', 'x'],
  DRAIN_BUDGET_SECONDS: ['-1', '601', ''],
  PEER_EVIDENCE: ['on', ''],
  POD_EVIDENCE: ['off', ''],
  LOG_LEVEL: ['', 'trace', 'INFO'],
  LISTEN_ADDRESS: ['', 'localhost', '1.2.3'],
  KUBERNETES_SERVICE_HOST: ['', 'a b', 'https://host', 'undefined/'],
  KUBERNETES_SERVICE_PORT: ['', '0', '65536', 'tcp://10.0.0.1:443'],
  KUBERNETES_TOKEN_FILE: ['', 'token'],
  KUBERNETES_CA_FILE: ['', 'ca.crt'],
  POD_NAME: ['', 'a_b', 'a b'],
  POD_UID: ['', 'a_b', 'x'.repeat(254)],
  POD_NAMESPACE: ['', 'Regent'],
  POD_IP: ['', 'localhost', '300.0.0.1'],
  NODE_NAME: [''],
}

test('every variable of the contract has malformed values here', () => {
  expect(Object.keys(malformed).sort()).toEqual(
    Object.values(agent.env)
      .map(({ variable }) => variable)
      .sort(),
  )
})

test.each(Object.entries(malformed).flatMap(([variable, texts]) => texts.map((text) => [variable, text] as const)))(
  'fails if %s is %j, in one line that names what is allowed',
  (variable, text) => {
    const found = lines({ ...clientCertificate(variable), [variable]: text })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(new RegExp(`^${variable}: expected .+, got .+; .+`))
  },
)

/** Both files of the part, for a variable of it: it is nothing without the other. */
function clientCertificate(variable?: string) {
  const file = join(pod.folder, 'ca.crt')
  return variable?.startsWith('CLIENT_') === false
    ? {}
    : { CLIENT_CERTIFICATE_FILE: file, CLIENT_KEY_FILE: file, CONTROL_PLANE_URL: 'https://control-plane.test' }
}

describe('a client certificate', () => {
  test('is there where both of its files are named', () => {
    expect(readConfiguration(pod.with({}))).toMatchObject({
      configuration: { clientCertificateFile: undefined, clientKeyFile: undefined },
    })
    const file = join(pod.folder, 'ca.crt')
    expect(readConfiguration(pod.with(clientCertificate()))).toMatchObject({
      configuration: { clientCertificateFile: file, clientKeyFile: file },
    })
  })

  test.each(['CLIENT_CERTIFICATE_FILE', 'CLIENT_KEY_FILE'])('fails if it has no %s', (variable) => {
    expect(lines({ ...clientCertificate(), [variable]: undefined })).toEqual([
      expect.stringMatching(
        new RegExp(`^${variable}: expected the absolute path of a file, because CLIENT_\\w+ is set`),
      ),
    ])
  })

  test('fails if it should go over a plain connection', () => {
    expect(lines({ ...clientCertificate(), CONTROL_PLANE_URL: 'http://control-plane.test' })).toEqual([
      'CONTROL_PLANE_URL: expected an https URL, because CLIENT_CERTIFICATE_FILE is set, got http://control-plane.test; name the control plane by https, or prove the agent by something else',
    ])
  })
})

test('everything that is wrong is reported at once', () => {
  const found = lines({ AGENT_ID: 'A', REPLICAS: 'x', POD_IP: 'y', KUBERNETES_CA_FILE: '/nowhere/ca.crt' })
  expect(found.map((line) => line.split(':')[0])).toEqual(['AGENT_ID', 'REPLICAS', 'POD_IP', 'KUBERNETES_CA_FILE'])
})

test('a value that may be a secret is not repeated', () => {
  expect(lines({ AGENT_API_KEY_FILE: 'hunter2', CONTROL_PLANE_URL: 'https://me:hunter2@host' }).join()).not.toContain(
    'hunter2',
  )
})

describe('together', () => {
  test('fails if several replicas run without election', () => {
    expect(lines({ ENABLE_HA: 'false', REPLICAS: '2' })).toEqual([
      'REPLICAS: expected 1 while ENABLE_HA is false, got 2; set ENABLE_HA to true: replicas without election evict each other from the control plane every 2 s',
    ])
  })

  test.each([
    [{ RENEW_DEADLINE_SECONDS: '4.5' }, 'LEASE_DURATION_SECONDS'],
    [{ ABORT_BUDGET_SECONDS: '2' }, 'LEASE_DURATION_SECONDS'],
    [{ LEASE_DURATION_SECONDS: '5' }, 'LEASE_DURATION_SECONDS'],
    [{ RETRY_PERIOD_SECONDS: '3.5' }, 'RENEW_DEADLINE_SECONDS'],
  ])('fails if the timing is impossible: %j', (changes, named) => {
    expect(lines(changes)).toEqual([expect.stringMatching(new RegExp(`^${named}: expected `))])
  })

  test('without election its variables are ignored, even where they are wrong', () => {
    const result = readConfiguration(
      pod.with({ ENABLE_HA: 'false', REPLICAS: '1', LEASE_DURATION_SECONDS: 'x', RETRY_PERIOD_SECONDS: '50' }),
    )
    expect(result).toMatchObject({ configuration: { leaderElection: false, leaseDurationSeconds: 6 } })
  })
})

describe('files', () => {
  test.each([
    'KUBERNETES_TOKEN_FILE',
    'KUBERNETES_CA_FILE',
    'CONTROL_PLANE_TOKEN_FILE',
    'CONTROL_PLANE_CA_FILE',
    'CLIENT_KEY_FILE',
  ])('fails if the file of %s is not there, is empty or is a folder', (variable) => {
    const empty = join(pod.folder, 'empty')
    writeFileSync(empty, '')
    const folder = join(pod.folder, 'folder')
    mkdirSync(folder, { recursive: true })
    const others = clientCertificate(variable)
    expect(lines({ ...others, [variable]: join(pod.folder, 'missing') })).toEqual([
      expect.stringMatching(`^${variable}: expected a file .+missing", which does not exist; mount it, or set `),
    ])
    expect(lines({ ...others, [variable]: empty })).toEqual([expect.stringContaining('which is empty')])
    expect(lines({ ...others, [variable]: folder })).toEqual([expect.stringContaining('which is no file')])
  })

  const testAsUser = process.getuid?.() === 0 ? test.skip : test
  testAsUser('fails if a file may not be read', () => {
    const path = join(pod.folder, 'locked')
    writeFileSync(path, 'x')
    chmodSync(path, 0)
    expect(lines({ KUBERNETES_TOKEN_FILE: path })).toEqual([expect.stringContaining('which this user may not read')])
  })

  test('fails if a file cannot be reached, with the reason of the system', () => {
    const path = join(pod.folder, 'loop')
    symlinkSync(path, path)
    expect(lines({ KUBERNETES_TOKEN_FILE: path })).toEqual([expect.stringContaining('which cannot be read (ELOOP)')])
  })

  test("the default of a part's file need not be there", () => {
    expect(lines({ CONTROL_PLANE_TOKEN_FILE: undefined, AGENT_API_KEY_FILE: undefined })).toEqual([])
  })
})

test('it reads the variables of the contract, and no others', () => {
  const read = new Set<string>()
  const observed: Environment = new Proxy(pod.with({}), {
    get: (target, name: string) => {
      read.add(name)
      return target[name]
    },
  })
  expect(readConfiguration(observed)).toHaveProperty('configuration')
  expect([...read].sort()).toEqual(
    Object.values(agent.env)
      .map(({ variable }) => variable)
      .sort(),
  )
})
