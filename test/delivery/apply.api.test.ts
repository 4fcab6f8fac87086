import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { environments } from '../../environments/index.ts'
import { nameOf } from '../../lib/config/parse.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { filesOf } from '../../lib/render.ts'
import { run } from '../cluster/command-line.ts'
import { kubectl, kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
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
  waitForRemoval,
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
  // Where a test failed there may be more to remove than nothing.
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
    const { index } = rendered(layer())
    const minima = new Map((index?.ofKind('HorizontalPodAutoscaler') as AutoscalerManifest[]).map(minimumOf))
    await waitFor('every pod', async () => {
      const { items } = await kubectlJson<{
        items: { metadata: { name: string }; spec: { replicas: number }; status: { replicas?: number } }[]
      }>(['get', 'deployments,statefulsets', '-n', 'regent-system'])
      // An autoscaler begins at one replica and brings it to its minimum by itself.
      return (
        items.length > 0 &&
        items.every(
          ({ metadata, spec, status }) =>
            status.replicas === spec.replicas && spec.replicas >= (minima.get(metadata.name) ?? 1),
        )
      )
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
    const lines = await withFolder(after, (folder) => applyFolder(folder, 'built in'))
    expect(different).toHaveLength(2)
    const changed = lines.filter((line) => !line.endsWith(' unchanged') && !/^(statefulset|poddisruption)/.test(line))
    expect(changed.sort()).toEqual([
      `deployment.apps/regent-agent-${before.environment.agent.id} configured`,
      'resourcequota/regent-quota configured',
    ])
  })

  test('takes over from the manifests before it', async () => {
    if (cluster().release === 'oldest') return
    await previousManifests(async (folder) => {
      const before = join(folder, name)
      const now = join(committed, name)
      // Back to what was there before, as if what is new had never been.
      const added = filesBelow(now).filter((file) => !filesBelow(before).includes(file))
      if (added.length > 0) {
        const files = added.map((file) => `--filename=${join(now, file)}`)
        await mustKubectl(['delete', '--ignore-not-found', '--wait=false', ...files])
        await waitFor('end of what is new', async () => (await namesOf(files)) === '')
      }
      await applyFolder(before, 'built in')
      await applyFolder(now, 'built in')
    }, name)
  })

  test('is deleted as it was applied, and leaves nothing', async () => {
    const result = rendered(layer())
    await withFolder(result, async (folder) => {
      // Namespaces go first by name, and take what is in them along. kubectl itself waits for one object after another.
      const { exitCode, stderr } = await kubectl(['delete', '-f', folder, '-R', '--ignore-not-found', '--wait=false'])
      expect([exitCode, stderr]).toEqual([0, ''])
      await waitForRemoval()
      await waitFor('end of everything', async () => (await namesOf([`--filename=${folder}`, '-R'])) === '')
    })
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
})

interface AutoscalerManifest extends Manifest {
  readonly spec: { readonly minReplicas: number; readonly scaleTargetRef: { readonly name: string } }
}

function minimumOf({ spec }: AutoscalerManifest): readonly [target: string, replicas: number] {
  return [spec.scaleTargetRef.name, spec.minReplicas]
}

/** What is in the cluster of the objects in some files. */
async function namesOf(files: readonly string[]): Promise<string> {
  return (await mustKubectl(['get', ...files, '--ignore-not-found', '--output=name'])).trim()
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'))
}
