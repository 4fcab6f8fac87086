import { importArchive } from '../../../test/cluster/images.ts'
import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { builtAgent } from '../image/built-agent.ts'

/** The agent of the environment `local`, of which three replicas run with the real image. */
export const agentId = 'local'
export const namespace = 'regent-system'
const deployment = 'deployment/regent-agent-local'

/** Applies `local` to the nodes and waits until its agents are ready. It takes minutes where the image is not built. */
export async function startLocalAgents(): Promise<void> {
  const { archive } = await builtAgent()
  await removeEnvironments()
  await Promise.all(cluster().nodes.map((node) => importArchive(node, archive)))
  await applyEnvironment('local')
  await rollout()
}

/** Waits until all replicas are of the newest revision, and ready. */
export function rollout(): Promise<string> {
  return mustKubectl(['rollout', 'status', deployment, '-n', namespace, '--timeout=120s'], { seconds: 130 })
}

/** Has the Deployment replace every replica, and waits for the end of it. */
export async function restartAll(): Promise<void> {
  await mustKubectl(['rollout', 'restart', deployment, '-n', namespace])
  await rollout()
}

/** Changes a variable of the agents, or takes it away, and waits until all of them run with it. */
export async function configure(name: string, value: string | undefined): Promise<void> {
  const change = value === undefined ? `${name}-` : `${name}=${value}`
  await mustKubectl(['set', 'env', deployment, '-n', namespace, change])
  await rollout()
}
