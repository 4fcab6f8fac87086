import { afterAll, describe, expect, test } from '@jest/globals'
import { parseEnvironment } from '../../lib/config/parse.ts'
import { layer } from '../../lib/config/layer.ts'
import { resolvedValues } from '../../cli/resolved-values.ts'
import { staging } from '../../environments/staging.ts'
import { dev } from '../../environments/dev.ts'
import { ProjectCopy, Session } from './program.ts'

function valuesOf(source: typeof dev, path?: string) {
  const { environment } = parseEnvironment(source)
  if (environment === undefined) throw new Error('expected a valid environment')
  return resolvedValues(source, environment, path)
}

describe('resolved values', () => {
  test('come with the file of the layer that they are written in', () => {
    expect(valuesOf(staging, 'agent.replicas')).toEqual([
      { path: 'agent.replicas', value: 2, origin: 'environments/staging.ts' },
    ])
    expect(valuesOf(staging, 'registry')).toEqual([
      { path: 'registry', value: 'ghcr.io/regent-dev', origin: 'environments/base.ts' },
    ])
    expect(valuesOf(staging, 'agent.drainBudgetSeconds')).toEqual([
      { path: 'agent.drainBudgetSeconds', value: 30, unit: 's', origin: 'default' },
    ])
  })

  test('of a part are all its leaves, a list being one', () => {
    expect(valuesOf(staging, 'cluster')).toEqual([
      { path: 'cluster.cloud', value: 'eks', origin: 'environments/staging.ts' },
      { path: 'cluster.kubernetesVersion', value: '1.33', origin: 'environments/staging.ts' },
      {
        path: 'cluster.zones',
        value: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
        origin: 'environments/staging.ts',
      },
      { path: 'cluster.nodes', value: 3, origin: 'environments/staging.ts' },
      { path: 'cluster.apiServer.cidrs', value: ['10.10.0.0/24'], origin: 'environments/staging.ts' },
      { path: 'cluster.apiServer.ports', value: [443], origin: 'environments/staging.ts' },
    ])
    expect(valuesOf(staging, 'cluster.zones.1')).toEqual([
      { path: 'cluster.zones.1', value: 'us-east-1b', origin: 'environments/staging.ts' },
    ])
    expect(valuesOf(dev, 'foundation.storageClasses')).toEqual([
      { path: 'foundation.storageClasses', value: null, origin: 'default' },
    ])
  })

  test('are found by the path that a problem names', () => {
    expect(valuesOf(staging, 'staging.agent.replicas')).toEqual(valuesOf(staging, 'agent.replicas'))
    const agent = layer(import.meta, { ...(staging.values as object), name: 'agent' })
    expect(valuesOf(agent, 'agent.replicas')).toMatchObject([{ value: 2 }])
  })

  test.each([
    ['agent.replica', "dev has no 'agent.replica', did you mean 'agent.replicas'?"],
    ['replicas', "dev has no 'replicas', did you mean agent.replicas or controlPlane.replicas?"],
    ['constructor', "dev has no 'constructor', did you mean"],
    ['agent..replicas', "dev has no 'agent..replicas', did you mean 'agent.replicas'?"],
    ['cluster.zones.1', "dev has no 'cluster.zones.1'"],
    ['cluster.zones.length', "dev has no 'cluster.zones.length'"],
    [
      'controlPlane.autoscaling.maxReplicas',
      "dev has no 'controlPlane.autoscaling.maxReplicas': controlPlane.autoscaling is null there (default)",
    ],
  ])('fails if there is none at %s', (path, message) => {
    expect(() => valuesOf(dev, path)).toThrow(message)
  })
})

describe('show', () => {
  const session = new Session()
  afterAll(() => session.end())
  const copy = new ProjectCopy()
  afterAll(() => copy.remove())

  test('prints a table', async () => {
    expect(await session.regent('show', 'dev', 'agent.sessions')).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        'PATH                        VALUE  UNIT   FROM',
        'agent.sessions.maxSessions  5             environments/dev.ts',
        'agent.sessions.maxCpu       4      CPU    environments/dev.ts',
        'agent.sessions.maxMemory    8Gi    bytes  environments/dev.ts',
        '',
      ].join('\n'),
    })
  })

  test('refuses an environment whose values are wrong', async () => {
    // An optional value: without it the environment would be whole, and its default shown for what the file says.
    copy.edit('environments/dev.ts', "logLevel: 'debug'", "logLevel: 'loud'")
    const { code, stdout, stderr } = await copy.regent('show', 'dev', 'agent.logLevel')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `error: dev.agent.logLevel: expected one of debug, info, warn, error, got "loud"; correct it: the least important level that is logged (environments/dev.ts)\nerror: dev has no resolved values before these are corrected\n`,
    )
  })

  test('says which file cannot be loaded', async () => {
    copy.edit('environments/staging.ts', 'replicas: 3,', 'replicas: ,')
    const { code, stdout, stderr } = await copy.regent('show', 'dev')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('error: environments/ cannot be loaded:')
    expect(stderr).toContain('environments/staging.ts:')
  })
})
