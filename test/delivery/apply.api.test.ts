import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { environments } from '../../environments/index.ts'
import { nameOf } from '../../lib/config/parse.ts'
import { filesOf } from '../../lib/render.ts'
import { run } from '../cluster/command-line.ts'
import { kubectl, kubectlJson } from '../cluster/kubectl.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import {
  applyFolder,
  liveObjects,
  type LiveObject,
  committed,
  forCluster,
  layerOf,
  removeEnvironments,
  rendered,
  withFolder,
} from './environment.ts'
import { previousManifests } from './previous-manifests.ts'

beforeAll(removeEnvironments)

/** Kinds into whose status controllers write at any time, so that only the generation tells. */
const reported = [
  'Deployment',
  'StatefulSet',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
  'ValidatingAdmissionPolicy',
]
/** Kinds without a generation into whose status controllers write. */
const counted = ['ResourceQuota', 'Namespace']

function revision({ kind, metadata }: LiveObject): string {
  const changes = reported.includes(kind)
    ? metadata.generation
    : counted.includes(kind)
      ? 'counted'
      : metadata.resourceVersion
  return `${kind} ${metadata.namespace ?? ''} ${metadata.name} ${changes ?? 'none'}`
}

// What differs at an older Kubernetes does not differ from environment to environment: two of them tell.
const names = cluster().release === 'oldest' ? ['local', 'production-us-east-1'] : environments.map(nameOf)

describe.each(names)('%s', (name) => {
  const layer = () => forCluster(layerOf(name))
  afterAll(removeEnvironments)

  test('is what is committed', async () => {
    if (cluster().release === 'oldest') return
    await withFolder(rendered(layer()), async (folder) => {
      const { stdout, exitCode } = await run(['diff', '-r', folder, join(committed, name)])
      expect([exitCode, stdout]).toEqual([0, ''])
    })
  })

  test('applies at the first try, with nothing to warn of', async () => {
    const result = rendered(layer())
    const lines = await withFolder(result, applyFolder)
    expect(lines).toHaveLength(filesOf(result).size)
    expect(lines.filter((line) => !line.endsWith(' created'))).toEqual([])
  })

  test('has pods that Pod Security, quota, priority and ServiceAccount admit', async () => {
    // Nobody runs them here: they only have to be let in, in the numbers that the manifests say.
    await waitFor('every pod', async () => {
      const { items } = await kubectlJson<{
        items: { kind: string; metadata: { name: string }; spec: { replicas: number }; status: { replicas?: number } }[]
      }>(['get', 'deployments,statefulsets', '-n', 'regent-system'])
      return items.length > 0 && items.every(({ spec, status }) => status.replicas === spec.replicas)
    })
  })

  test('changes nothing when it is applied again', async () => {
    const result = rendered(layer())
    const before = await liveObjects(result)
    const lines = await withFolder(result, applyFolder)
    // kubectl sends a patch for these two whatever is in it, because of lists and selectors that it replaces whole.
    const spoken = lines.filter((line) => !line.endsWith(' unchanged'))
    expect(spoken.filter((line) => !/^(statefulset\.apps|poddisruptionbudget\.policy)\//.test(line))).toEqual([])
    const after = await liveObjects(result)
    expect(after).toHaveLength(filesOf(result).size)
    expect(after.map(revision)).toEqual(before.map(revision))
  })

  test('changes only what the diff names when one setting changes', async () => {
    const before = rendered(layer())
    const after = rendered(forCluster(layerOf(name), { agent: { sessions: { maxCpu: '3' } } }))
    const old = filesOf(before)
    const different = [...filesOf(after)].filter(([path, text]) => old.get(path) !== text).map(([path]) => path)
    const lines = await withFolder(after, applyFolder)
    expect(different).toHaveLength(2)
    const changed = lines.filter((line) => !line.endsWith(' unchanged') && !/^(statefulset|poddisruption)/.test(line))
    expect(changed.sort()).toEqual([
      `deployment.apps/regent-agent-${before.environment.agent.id} configured`,
      'resourcequota/regent-quota configured',
    ])
  })

  test('is deleted as it was applied, and leaves nothing', async () => {
    const result = rendered(layer())
    await withFolder(result, async (folder) => {
      // Namespaces go first by name, and take what is in them along.
      const { exitCode, stderr } = await kubectl(['delete', '-f', folder, '-R', '--ignore-not-found'], { seconds: 120 })
      expect([exitCode, stderr]).toEqual([0, ''])
    })
    expect(await liveObjects(result)).toEqual([])
    const left = await kubectl([
      'get',
      'all,leases,events,configmaps,networkpolicies,persistentvolumeclaims',
      '-n',
      'regent-system',
      '-o',
      'name',
    ])
    expect(left.stdout).toBe('')
  })

  test('takes over from the manifests before it', async () => {
    if (cluster().release === 'oldest') return
    await previousManifests(async (folder) => {
      await applyFolder(join(folder, name))
      await applyFolder(join(committed, name))
    }, name)
  })
})
