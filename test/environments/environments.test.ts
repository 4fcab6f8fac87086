import { electionProfiles, gracePeriodProblems, timingProblems } from '@regent/contract/election.ts'
import { fewestMissedHeartbeats } from '@regent/contract/control-plane.ts'
import { describe, expect, test } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { environments } from '../../environments/index.ts'
import { site } from '../../environments/site.ts'
import { isAtLeast, newestKubernetes, oldestKubernetes } from '../../lib/config/cluster-settings.ts'
import type { Environment } from '../../lib/config/environment.ts'
import { mostLayers } from '../../lib/config/layer.ts'
import { nameOf, parseEnvironment } from '../../lib/config/parse.ts'

const parsed: ReadonlyMap<string, Environment | undefined> = new Map(
  environments.map((layer) => [nameOf(layer), parseEnvironment(layer).environment]),
)

function environment(name: string): Environment {
  const found = parsed.get(name)
  if (found === undefined) throw new Error(`the environment ${name} does not parse`)
  return found
}

const regions = ['production-us-east-1', 'production-eu-west-1', 'production-ap-southeast-1'] as const
const names = ['dev', 'local', 'staging', ...regions] as const

test('there are six', () => {
  expect([...parsed.keys()]).toEqual(names)
})

test('every file in the folder is one of them, or what they share', () => {
  const shared = ['base', 'development', 'index', 'production', 'site']
  const files = readdirSync(join(import.meta.dirname, '../../environments'))
  expect(files.toSorted()).toEqual([...names, ...shared].map((name) => `${name}.ts`).toSorted())
  for (const layer of environments) expect(layer.file).toBe(`environments/${nameOf(layer)}.ts`)
})

test.each(environments.map((layer) => [nameOf(layer), layer] as const))('%s parses without a problem', (_, layer) => {
  expect(parseEnvironment(layer).problems).toEqual([])
  expect(layer.depth).toBeLessThanOrEqual(mostLayers)
})

describe('the figures of the product', () => {
  test.each([
    ['dev', 1, 1, 1],
    ['local', 3, 2, 3],
    ['staging', 2, 3, 3],
    ['production-us-east-1', 3, 20, 7],
    ['production-eu-west-1', 3, 15, 5],
    ['production-ap-southeast-1', 3, 10, 5],
  ])('%s: %i agents, %i API pods, %i members of consensus', (name, agents, api, members) => {
    const { agent, controlPlane, consensus } = environment(name)
    expect([agent.replicas, controlPlane?.replicas, consensus?.members]).toEqual([agents, api, members])
  })

  test('election is off in dev and nowhere else', () => {
    const off = names.filter((name) => !environment(name).agent.leaderElection.enabled)
    expect(off).toEqual(['dev'])
  })

  test('the regions weigh 3:2:1', () => {
    expect(regions.map((name) => environment(name).region)).toEqual([
      { name: 'us-east-1', weight: 3 },
      { name: 'eu-west-1', weight: 2 },
      { name: 'ap-southeast-1', weight: 1 },
    ])
  })

  test('the API scales to 100 in production, to 10 in staging, and not at all in development', () => {
    const most = names.map((name) => environment(name).controlPlane?.autoscaling?.maxReplicas)
    expect(most).toEqual([undefined, undefined, 10, 100, 100, 100])
  })

  test.each(['staging', ...regions])('%s scales the API as the product says', (name) => {
    expect(environment(name).controlPlane?.autoscaling).toMatchObject({
      cpuUtilizationPercent: 70,
      memoryUtilizationPercent: 80,
      scaleUp: { percent: 50, periodSeconds: 60, stabilizationWindowSeconds: 60 },
      scaleDown: { percent: 10, periodSeconds: 300, stabilizationWindowSeconds: 300 },
    })
  })

  test.each(['staging', ...regions])('%s stores on provisioned volumes of 100Gi', (name) => {
    const { foundation, consensus } = environment(name)
    expect(consensus?.storage).toEqual({ size: '100Gi', className: 'fast-ssd' })
    expect(foundation.storageClasses).toMatchObject({
      fast: { iops: 16000, throughputMebibytesPerSecond: 1000 },
      standard: { iops: 3000, throughputMebibytesPerSecond: 125 },
    })
  })

  test.each(['staging', ...regions])('members of %s elect after 5 s of silence', (name) => {
    expect(environment(name).consensus).toMatchObject({
      heartbeatIntervalMilliseconds: 1000,
      electionTimeoutMilliseconds: 5000,
    })
  })

  test.each(names)('%s has the quota of the product', (name) => {
    expect(environment(name).foundation.quota).toEqual({
      cpu: '100',
      memory: '200Gi',
      pods: 500,
      persistentVolumeClaims: 100,
    })
  })

  test.each(names)('%s sends heartbeats every 30 s and drains within 30 s', (name) => {
    const { agent, controlPlane } = environment(name)
    expect(controlPlane).toMatchObject({ heartbeatIntervalSeconds: 30, staleAfterSeconds: 75, drainBudgetSeconds: 30 })
    expect(75 / 30).toBeGreaterThanOrEqual(fewestMissedHeartbeats)
    expect(agent).toMatchObject({ drainBudgetSeconds: 30, terminationGracePeriodSeconds: 60 })
  })
})

describe.each(names)('%s', (name) => {
  const { agent, cluster, consensus, controlPlane, purpose, region } = environment(name)

  test('elects with the profile `fast`, which is possible', () => {
    expect(agent.leaderElection).toMatchObject({
      profile: 'fast',
      leaseDurationSeconds: null,
      abortBudgetSeconds: null,
    })
    const { fast } = electionProfiles
    const here = { leaseDurationSeconds: '', renewDeadlineSeconds: '', retryPeriodSeconds: '', abortBudgetSeconds: '' }
    expect(timingProblems(fast, here)).toEqual([])
    expect(gracePeriodProblems('', { ...agent, abortBudgetSeconds: fast.abortBudgetSeconds })).toEqual([])
  })

  test('runs a supported Kubernetes', () => {
    expect(isAtLeast(cluster.kubernetesVersion, oldestKubernetes)).toBe(true)
    expect(isAtLeast(newestKubernetes, cluster.kubernetesVersion)).toBe(true)
  })

  test('has an odd number of members, and no more than nodes', () => {
    expect((consensus?.members ?? 0) % 2).toBe(1)
    expect(consensus?.members).toBeLessThanOrEqual(cluster.nodes)
  })

  test('is open or in plain text in development only', () => {
    const open = cluster.apiServer.cidrs.includes('0.0.0.0/0')
    const plain = consensus?.tls === null || controlPlane?.tlsSecretName === null
    expect([open, plain]).toEqual([purpose === 'development', purpose === 'development'])
    expect(controlPlane?.publicUrl).toMatch(purpose === 'development' ? /^http:/ : /^https:/)
  })

  test('names its region, and its agent as itself', () => {
    expect(agent.id).toBe(name)
    for (const zone of cluster.zones) expect(zone.startsWith(region.name)).toBe(true)
    expect(new Set(cluster.zones).size).toBe(cluster.zones.length)
  })

  test('is hosted where the fork says', () => {
    expect(environment(name)).toMatchObject({ repositoryUrl: site.repositoryUrl, registry: site.registry })
  })
})

test('development needs nothing but Kubernetes', () => {
  for (const name of ['dev', 'local']) {
    const { foundation, consensus } = environment(name)
    expect([foundation.storageClasses, consensus?.storage.className]).toEqual([null, null])
  }
})

test("no two environments have the same name, agent or URL, except on a developer's machine", () => {
  const all = names.map(environment)
  expect(new Set(all.map(({ agent }) => agent.id)).size).toBe(all.length)
  const reachable = all
    .filter(({ purpose }) => purpose !== 'development')
    .map(({ controlPlane }) => controlPlane?.publicUrl)
  expect(new Set(reachable).size).toBe(reachable.length)
})

test('every address range of the site belongs to an environment', () => {
  expect(Object.keys(site.apiServerCidrs)).toEqual(names.filter((name) => environment(name).purpose !== 'development'))
})
