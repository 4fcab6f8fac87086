import { afterAll, describe, expect, test } from '@jest/globals'
import { failoverOf } from '../../cli/failover-of.ts'
import { productionUsEast1 } from '../../environments/production-us-east-1.ts'
import { dev } from '../../environments/dev.ts'
import type { Environment } from '../../lib/config/environment.ts'
import type { Layer } from '../../lib/config/layer.ts'
import { parseEnvironment } from '../../lib/config/parse.ts'
import { Session } from './program.ts'

function environmentOf(source: Layer): Environment {
  const { environment } = parseEnvironment(source)
  if (environment === undefined) throw new Error('expected a valid environment')
  return environment
}

function secondsOf(environment: Environment): Readonly<Record<string, number | undefined>> {
  return Object.fromEntries(failoverOf(environment).bounds.map(({ fault, seconds }) => [fault, seconds]))
}

describe('failover of an environment', () => {
  const production = environmentOf(productionUsEast1)

  test('is computed from the timing that is configured', () => {
    expect(secondsOf(production)).toEqual({
      'planned (rollout, drain, delete)': 0.5,
      'killed, with peer evidence': 0.55,
      'killed, with pod evidence': 2,
      'killed, without evidence': 6.5,
      'hung (event loop blocked)': 8.5,
      'node lost or cut off': 6.5,
      'API server away for up to 4 s': 0,
      'API server away for longer': undefined,
      'leader of etcd lost': 10,
    })
    const { agent } = production
    const leaderElection = { ...agent.leaderElection, profile: 'standard', leaseDurationSeconds: 20 } as const
    expect(secondsOf({ ...production, agent: { ...agent, leaderElection } })).toMatchObject({
      'killed, without evidence': 20.5,
      'API server away for up to 10 s': 0,
    })
  })

  test('says nothing of an etcd that is elsewhere', () => {
    expect(secondsOf({ ...production, consensus: null })).not.toHaveProperty('leader of etcd lost')
  })

  test('has no bounds without election, nor without a standby', () => {
    expect(failoverOf(environmentOf(dev))).toMatchObject({ election: null, bounds: [] })
    const alone = failoverOf({ ...production, agent: { ...production.agent, replicas: 1 } })
    expect(alone).toMatchObject({ election: { profile: 'fast' }, bounds: [] })
    expect(alone.without).toContain('no standby and no bound')
  })
})

describe('failover', () => {
  const session = new Session()
  afterAll(() => session.end())
  test('prints a table per environment with the formulas, or JSON', async () => {
    const [text, json] = await Promise.all([
      session.regent('failover', 'dev', 'staging'),
      session.regent('failover', 'staging', '--json'),
    ])
    expect(text).toMatchObject({ code: 0, stderr: '' })
    expect(text.stdout).toContain('dev: 1 replica, no election\n  no standby and no bound: the kubelet restarts')
    expect(text.stdout).toContain(
      'staging: 2 replicas, profile fast: lease 6 s, renew deadline 4 s, retry 1.5 s, abort 1 s\n',
    )
    expect(text.stdout).toMatch(
      / {2}killed, without evidence +6\.5 s +lease 6 \+ jitter 0\.2 \+ write 0\.3 +SIGKILL, OOM or crash: the Lease runs out\n/,
    )
    expect(text.stdout).toMatch(/ {2}API server away for longer +no failover +suspended from 4 s/)
    expect(json.code).toBe(0)
    expect(JSON.parse(json.stdout)).toMatchObject([
      {
        environment: 'staging',
        replicas: 2,
        election: { profile: 'fast', leaseDurationSeconds: 6 },
        bounds: [{ fault: 'planned (rollout, drain, delete)', seconds: 0.5 }, {}, {}, {}, {}, {}, {}, {}, {}],
      },
    ])
  })
})
