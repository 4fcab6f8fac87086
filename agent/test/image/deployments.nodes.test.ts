import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { importArchive } from '../../../test/cluster/images.ts'
import { kubectlJson, mustKubectl } from '../../../test/cluster/kubectl.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { builtAgent } from './built-agent.ts'

const namespace = 'regent-system'
const selector = 'app.kubernetes.io/name=regent-agent'

interface Pod {
  readonly status: {
    readonly containerStatuses?: readonly { readonly restartCount: number; readonly imageID: string }[]
  }
}
interface Lease {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly holderIdentity?: string }
}

beforeAll(async () => {
  const { archive } = await builtAgent()
  await removeEnvironments()
  await Promise.all(cluster().nodes.map((node) => importArchive(node, archive)))
}, 900_000)
afterEach(removeEnvironments)
afterAll(removeEnvironments)

/** Waits for the agents of an environment, and gives their pods and Leases. */
async function ready(environment: string) {
  await applyEnvironment(environment)
  const deployment = `deployment/regent-agent-${environment}`
  try {
    await mustKubectl(['rollout', 'status', deployment, '-n', namespace, '--timeout=90s'], { seconds: 100 })
  } catch (error) {
    const said = await mustKubectl(['logs', '-n', namespace, '-l', selector, '--tail=20', '--prefix']).catch(String)
    throw new Error(`the agents did not become ready; they say:\n${said}`, { cause: error })
  }
  const [pods, leases] = await Promise.all([
    kubectlJson<{ items: readonly Pod[] }>(['get', 'pods', '-n', namespace, '-l', selector]),
    kubectlJson<{ items: readonly Lease[] }>(['get', 'leases', '-n', namespace]),
  ])
  return { statuses: pods.items.flatMap(({ status }) => status.containerStatuses ?? []), leases: leases.items }
}

describe('the image in the manifests as they are committed', () => {
  test('of dev: one agent, ready at once, that touches no Lease', async () => {
    const { statuses, leases } = await ready('dev')
    expect(statuses.map(({ restartCount }) => restartCount)).toEqual([0])
    expect(leases).toEqual([])
  })

  test('of local: three agents, all of them ready, and one holds the Lease', async () => {
    const { statuses, leases } = await ready('local')
    expect(statuses.map(({ restartCount }) => restartCount)).toEqual([0, 0, 0])
    expect(leases.map(({ metadata }) => metadata.name)).toEqual(['regent-agent-local'])
    expect(leases[0]?.spec.holderIdentity).toMatch(/^regent-agent-local-/)
  })
})
