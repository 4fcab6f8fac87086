import type { Problem } from '@regent/contract/problem.ts'
import { describe, expect, test } from '@jest/globals'
import { layer } from '../../lib/config/layer.ts'
import { nameOf, parseEnvironment } from '../../lib/config/parse.ts'
import { least, leastLayer, moduleAt, parsed, written } from './sample.ts'

const file = 'environments/sample.ts'

function problem(part: unknown): Problem {
  const { problems } = parsed(part)
  expect(problems).toHaveLength(1)
  return problems[0] as Problem
}

const consensus = {}
const controlPlane = { replicas: 3, publicUrl: 'https://api.example.com' }

describe('an environment that says the least', () => {
  const { environment, problems } = parseEnvironment(leastLayer)

  test('is complete', () => {
    expect(problems).toEqual([])
    expect(environment).toMatchObject({
      ...least,
      region: { name: 'here', weight: 1 },
      foundation: {
        quota: { cpu: '100', memory: '200Gi', pods: 500, persistentVolumeClaims: 100 },
        storageClasses: null,
      },
      agent: {
        leaderElection: { enabled: true, profile: 'fast', leaseDurationSeconds: null, retryPeriodSeconds: null },
        drainBudgetSeconds: 30,
        terminationGracePeriodSeconds: 60,
        controlPlane: null,
        sessions: { maxSessions: 100 },
        logLevel: 'info',
      },
      controlPlane: null,
      consensus: null,
    })
  })

  test('one amount of a container can be changed alone', () => {
    const { environment, problems } = parsed({ agent: { resources: { limits: { memory: '1Gi' } } } })
    expect(problems).toEqual([])
    expect(environment?.agent.resources).toEqual({
      requests: { cpu: '100m', memory: '192Mi', ephemeralStorage: '64Mi' },
      limits: { cpu: '1', memory: '1Gi', ephemeralStorage: '256Mi' },
    })
  })

  test('what is switched on takes the defaults of what it brings', () => {
    const { environment, problems } = parsed({
      foundation: { storageClasses: {} },
      controlPlane: { ...controlPlane, autoscaling: {} },
      consensus,
    })
    expect(problems).toEqual([])
    expect(environment?.foundation.storageClasses).toMatchObject({ fast: { iops: 16000 }, regional: false })
    expect(environment?.controlPlane?.autoscaling).toMatchObject({ maxReplicas: 100, scaleDown: { percent: 10 } })
    expect(environment?.consensus).toMatchObject({ members: 5, storage: { size: '100Gi' }, quotaBackend: '8Gi' })
  })
})

describe('fails if', () => {
  test('a key is unknown, with the nearest one and the file', () => {
    expect(problem({ agent: { replicsa: 3 } })).toEqual({
      path: 'sample.agent.replicsa',
      received: 'an unknown key',
      expected: expect.stringMatching(/^one of id, replicas, leaderElection, /),
      fix: "remove it, or did you mean 'replicas'?",
      severity: 'error',
      source: file,
    })
  })

  test.each([
    [{ cluserr: {} }, 'cluserr', 'cluster'],
    [
      { controlPlane: { ...controlPlane, autoscaling: { maxreplicas: 1 } } },
      'controlPlane.autoscaling.maxreplicas',
      'maxReplicas',
    ],
    [{ foundation: { storageClasses: { fsat: { iops: 5000 } } } }, 'foundation.storageClasses.fsat', 'fast'],
    [{ agent: { resources: { limits: { mem: '1Gi' } } } }, 'agent.resources.limits.mem', 'memory'],
  ])('a key is unknown at any depth: %j', (part, path, nearest) => {
    expect(problem(part)).toMatchObject({
      path: `sample.${path}`,
      fix: `remove it, or did you mean '${nearest}'?`,
      source: file,
    })
  })

  test('a key is unknown and like none, without a guess', () => {
    expect(problem({ agent: { colour: 'red' } }).fix).toBe('remove it')
  })

  test('a value has the wrong type, with what it is for', () => {
    expect(problem({ agent: { replicas: '3' } })).toEqual({
      path: 'sample.agent.replicas',
      received: '"3"',
      expected: 'a whole number from 1 to 9',
      fix: 'correct it: replicas; more than one needs leader election',
      severity: 'error',
      source: file,
    })
  })

  test.each([
    [{ agent: { replicas: 1.5 } }, 'a whole number from 1 to 9', '1.5'],
    [{ agent: { replicas: null } }, 'a whole number from 1 to 9', 'null'],
    [{ agent: { drainBudgetSeconds: '30' } }, 'a number from 0 to 600 (s)', '"30"'],
    [{ agent: { terminationGracePeriodSeconds: '60s' } }, 'a whole number from 1 to 3600 (s)', '"60s"'],
    [{ agent: { leaderElection: { enabled: 'yes' } } }, 'true or false', '"yes"'],
    [{ agent: { leaderElection: true } }, 'an object', 'true'],
    [{ agent: { id: 7 } }, 'a text', '7'],
    [{ cluster: { zones: 'a' } }, 'a list', '"a"'],
    [{ controlPlane: 'none' }, 'an object', '"none"'],
  ])('a value has the wrong type: %j', (part, expected, received) => {
    expect(problem(part)).toMatchObject({ expected, received, source: file })
  })

  test.each([
    [{ agent: { replicas: 0 } }, 'a whole number from 1 to 9', '0'],
    [{ agent: { replicas: 10 } }, 'a whole number from 1 to 9', '10'],
    [{ agent: { drainBudgetSeconds: -0.5 } }, 'a number from 0 to 600 (s)', '-0.5'],
    [{ agent: { leaderElection: { retryPeriodSeconds: 61 } } }, 'a number from 0.1 to 60 (s)', '61'],
    [{ region: { weight: 101 } }, 'a whole number from 0 to 100', '101'],
    [{ consensus: { ...consensus, heartbeatIntervalMilliseconds: 1 } }, 'a whole number from 10 to 10000 (ms)', '1'],
    [{ cluster: { zones: [] } }, 'at least 1 entries', '[]'],
    [{ cluster: { apiServer: { ports: [1, 2, 3, 4, 5] } } }, 'at most 4 entries', '[1,2,3,4,5]'],
    [{ agent: { id: 'a'.repeat(41) } }, 'at most 40 characters', `"${'a'.repeat(41)}"`],
    [{ consensus: { storage: { className: '' } } }, 'at least 1 characters', '""'],
  ])('a value is out of range: %j', (part, expected, received) => {
    expect(problem(part)).toMatchObject({ expected, received, source: file })
  })

  test.each([
    [{ purpose: 'test' }, 'one of development, staging, production'],
    [{ cluster: { cloud: 'EKS' } }, 'one of eks, gke, aks, on-premises'],
    [{ agent: { leaderElection: { profile: 'slow' } } }, 'one of fast, standard, patient'],
    [{ agent: { logLevel: null } }, 'one of debug, info, warn, error'],
  ])('a value is none of the choices: %j', (part, expected) => {
    expect(problem(part)).toMatchObject({ expected, source: file })
  })

  test.each([
    [{ name: 'Sample' }, /^lower-case letters, digits and hyphens, 40 at most/],
    [{ cluster: { kubernetesVersion: '1.3' } }, /^a minor version such as "1\.34"$/],
    [{ cluster: { kubernetesVersion: 'v1.33' } }, /^a minor version|^at most 4 characters/],
    [{ repositoryUrl: 'http://example.com' }, /^an https URL without credentials$/],
    [{ registry: 'https://ghcr.io' }, /^a registry with a path/],
    [{ agent: { sessions: { maxCpu: '4 CPU' } } }, /^CPUs such as "2", "0.5" or "500m"$/],
    [{ agent: { sessions: { maxMemory: '8' } } }, /^bytes with a binary unit/],
    [{ controlPlane: { ...controlPlane, publicUrl: 'https://a.example.com/api' } }, /^a URL such as/],
    [{ controlPlane: { ...controlPlane, publicUrl: 'https://a.example.com:70000' } }, /^a URL such as/],
    [{ controlPlane: { ...controlPlane, publicUrl: 'https://10.0.0.256' } }, /^a URL such as/],
    [{ controlPlane: { ...controlPlane, tlsSecretName: 'No_Secret' } }, /^the name of a Secret$/],
  ])('a text has another form: %j', (part, expected) => {
    expect(parsed(part).problems[0]).toMatchObject({ expected: expect.stringMatching(expected), source: file })
  })

  test.each(['10.0.0.0', '10.0.0.0/33', '999.0.0.0/8', '10.0.0/24', '::/129', 'abc/24', '10.0.0.0/24 ', 'fd00::g/8'])(
    '%j is meant to be an address range',
    (range) => {
      expect(problem({ cluster: { apiServer: { cidrs: ['10.0.0.0/8', range] } } })).toMatchObject({
        path: 'sample.cluster.apiServer.cidrs.1',
        received: JSON.stringify(range),
        expected: 'an address range such as "10.0.0.0/24"',
        fix: 'correct it: address range',
        source: file,
      })
    },
  )

  test('something is missing: the file of the environment is where to add it', () => {
    expect(problem({ controlPlane: { replicas: 3 } })).toEqual({
      path: 'sample.controlPlane.publicUrl',
      received: 'nothing',
      expected: 'a text',
      fix: 'add it: URL under which people reach the API, as documents and links name it',
      severity: 'error',
      source: file,
    })
  })

  test('everything is missing', () => {
    const { environment, problems } = parseEnvironment(layer(moduleAt(file), {}))
    expect(environment).toBeUndefined()
    expect(problems.map(({ path }) => path)).toEqual(
      ['name', 'purpose', 'region', 'repositoryUrl', 'registry', 'cluster', 'agent'].map((key) => `environment.${key}`),
    )
    for (const { received, fix, source } of problems) {
      expect([received, source]).toEqual(['nothing', file])
      expect(fix).toMatch(/^add it: /)
    }
  })

  test('several values are wrong: every one is reported, each with its own file', () => {
    const below = layer(moduleAt('environments/low.ts'), written({ ...least, purpose: 'prod', registry: 'HTTP' }))
    const above = { agent: { replicas: 99, replicsa: 1 }, cluster: { nodes: 'three' }, controlPlane: { replicas: 3 } }
    const { problems } = parsed(above, below)
    expect(problems.map(({ path, source }) => [path, source]).toSorted()).toEqual([
      ['sample.agent.replicas', file],
      ['sample.agent.replicsa', file],
      ['sample.cluster.nodes', file],
      ['sample.controlPlane.publicUrl', file],
      ['sample.purpose', 'environments/low.ts'],
      ['sample.registry', 'environments/low.ts'],
    ])
  })
})

describe('addresses that are ranges', () => {
  test.each(['0.0.0.0/0', '10.10.0.0/24', '255.255.255.255/32', '::/0', 'fd00:10::/64', '2001:db8:0:1:2:3:4:5/128'])(
    '%s',
    (range) => expect(parsed({ cluster: { apiServer: { cidrs: [range] } } }).problems).toEqual([]),
  )
})

describe('the name under which problems are reported', () => {
  test("is the environment's, or says that there is none", () => {
    expect(nameOf(leastLayer)).toBe('sample')
    expect(nameOf(layer(moduleAt(file), {}))).toBe('environment')
    expect(nameOf(layer(moduleAt(file), written({ name: 7 })))).toBe('environment')
  })
})

describe('what can still be judged', () => {
  test('an optional value that is wrong takes its default, and remains a problem', () => {
    const { environment, problems } = parsed({
      agent: { logLevel: 'loud', replicsa: 1 },
      foundation: { quota: { memory: 'much' } },
    })
    expect(problems).toHaveLength(3)
    expect(environment).toMatchObject({
      agent: { logLevel: 'info', replicas: 2 },
      foundation: { quota: { memory: '200Gi' } },
    })
    expect(environment).not.toHaveProperty('agent.replicsa')
  })

  test('an optional list with a wrong entry takes its default as a whole', () => {
    const clients = { cidrs: ['10.0.0.0/8', 'everyone'] }
    const { environment, problems } = parsed({ controlPlane: { ...controlPlane, clients }, consensus })
    expect(problems.map(({ path }) => path)).toEqual(['sample.controlPlane.clients.cidrs.1'])
    expect(environment?.controlPlane?.clients.cidrs).toEqual([])
  })

  test('a number out of its range, or written as a text, is taken for the nearest that is allowed', () => {
    const { environment, problems } = parsed({
      agent: { replicas: 99, drainBudgetSeconds: -1 },
      cluster: { nodes: '3' },
      foundation: { quota: { pods: 0.2 } },
    })
    expect(problems).toHaveLength(4)
    expect(environment).toMatchObject({
      agent: { replicas: 9, drainBudgetSeconds: 0 },
      cluster: { nodes: 3 },
      foundation: { quota: { pods: 1 } },
    })
  })

  test('nothing, where something required is wrong that is no number', () => {
    expect(parsed({ agent: { replicas: 'many' } }).environment).toBeUndefined()
    expect(parsed({ cluster: { zones: ['a', ''] } }).environment).toBeUndefined()
  })

  test('the layer stays as it is', () => {
    const wrong = layer(moduleAt(file), written({ ...least, agent: { ...least.agent, logLevel: 'loud', replicsa: 1 } }))
    expect(parseEnvironment(wrong).environment).toBeDefined()
    expect(wrong.values).toMatchObject({ agent: { logLevel: 'loud', replicsa: 1 } })
  })
})
