import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { local } from '../../environments/local.ts'
import { readImageLock, Images } from '../../lib/images/lock.ts'
import { binary } from '../cluster/binaries.ts'
import { importImage } from '../cluster/images.ts'
import { kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import { cordon, drain, uncordon } from '../cluster/node-operations.ts'
import { cluster, type NodeState } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { applyFolder, forCluster, removeEnvironments, rendered, withFolder } from '../delivery/environment.ts'

const namespace = 'regent-system'
const deployment = 'regent-agent-local'

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
  readonly spec: { readonly nodeName?: string }
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
}

/**
 * What is asked here is of the manifests and not of the programs, so a stand-in answers the probes: it runs as the
 * manifests say, restricted, with its volumes, its token and its budget.
 */
beforeAll(async () => {
  await removeEnvironments()
  const probe = await binary('probe')
  const images = new Images(readImageLock(), 'ghcr.io/regent-dev')
  for (const name of ['agent', 'control-plane']) {
    await importImage(cluster(), {
      reference: images.reference(name),
      files: { '/probe': probe },
      entrypoint: ['/probe', 'serve', ':8080'],
    })
  }
  await withFolder(rendered(forCluster(local)), applyFolder)
  await available()
})
afterAll(removeEnvironments)

async function available(): Promise<void> {
  for (const name of [deployment, 'regent-control-plane']) {
    await mustKubectl(['rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=120s'], { seconds: 130 })
  }
}

async function readyPods(): Promise<readonly Pod[]> {
  const selector = 'app.kubernetes.io/name=regent-agent'
  const { items } = await kubectlJson<{ items: readonly Pod[] }>(['get', 'pods', '-n', namespace, '-l', selector])
  return items.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
  )
}

/** Counts ready pods until the action ends, and returns the fewest that were seen. */
async function fewestDuring(action: Promise<unknown>): Promise<number> {
  let fewest = Infinity
  let ended = false
  const settled = action.finally(() => (ended = true))
  await waitFor(
    'the end',
    async () => {
      fewest = Math.min(fewest, (await readyPods()).length)
      return ended
    },
    { seconds: 180 },
  )
  await settled
  return fewest
}

describe('on as many nodes as replicas', () => {
  let spare: readonly NodeState[] = []
  beforeAll(async () => {
    spare = cluster().nodes.slice(3)
    for (const node of spare) await cordon(node)
  })
  afterAll(async () => {
    for (const node of spare) await uncordon(node)
  })

  test('a rollout finishes, and never has fewer pods than it should', async () => {
    await mustKubectl(['rollout', 'restart', `deployment/${deployment}`, '-n', namespace])
    expect(await fewestDuring(available())).toBeGreaterThanOrEqual(3)
  })

  test('a drain of each node in turn ends, and leaves an agent at any time', async () => {
    for (const node of cluster().nodes.slice(0, 3)) {
      const drained = drain(node)
      expect(await fewestDuring(drained)).toBeGreaterThanOrEqual(1)
      const { exitCode, stderr } = await drained
      expect([node.name, exitCode, stderr]).toEqual([node.name, 0, expect.anything()])
      await uncordon(node)
      await available()
    }
  })
})

test('replicas run on hosts of their own where there are enough', async () => {
  await mustKubectl(['rollout', 'restart', `deployment/${deployment}`, '-n', namespace])
  await available()
  await waitFor('the old pods to go', async () => (await readyPods()).length === 3)
  expect(new Set((await readyPods()).map(({ spec }) => spec.nodeName)).size).toBe(3)
})
