import { apiRequest } from './api-request.ts'
import { identityOf, isRunning, signalProcess } from './identity.ts'
import { Journal } from './journal.ts'
import { kubectl, mustKubectl } from './kubectl.ts'
import type { Finished } from './command-line.ts'
import { kubeletName } from './node.ts'
import { startProcess } from './processes.ts'
import { childOf, runIn } from './space.ts'
import { cluster, type NodeState } from './state.ts'
import { waitFor } from './wait-for.ts'

/** A node of the cluster by its name. @throws if there is none */
export function nodeNamed(name: string): NodeState {
  const found = cluster().nodes.find((node) => node.name === name)
  if (found === undefined) throw new Error(`no node '${name}'`)
  return found
}

/** Ends the kubelet at once. Its pods run on, and nobody reports them. */
export async function killKubelet(node: NodeState): Promise<void> {
  const started = new Journal(cluster().folder)
    .entries()
    .findLast((entry) => entry.kind === 'process' && entry.name === kubeletName(node.name))
  if (started?.kind !== 'process' || !isRunning(started.process)) throw new Error(`no kubelet runs on ${node.name}`)
  const child = childOf(started.process)
  if (child !== undefined) signalProcess(identityOf(child), 'SIGKILL')
  await waitFor(`end of the kubelet of ${node.name}`, () => !isRunning(started.process), { seconds: 10 })
}

/** Starts a kubelet that was ended. Does not wait for the node. */
export function startKubelet(node: NodeState): void {
  startProcess(new Journal(cluster().folder), kubeletName(node.name), node.kubelet)
}

/** Takes the node's cable out: no packet reaches it or leaves it. Its pods run on and reach each other. */
export async function cutNetwork(node: NodeState): Promise<void> {
  await setCable(node, 'down')
}

/** Puts the cable back. */
export async function restoreNetwork(node: NodeState): Promise<void> {
  await setCable(node, 'up')
}

async function setCable(node: NodeState, state: 'up' | 'down'): Promise<void> {
  const { controlPlane } = cluster()
  if (controlPlane === undefined) throw new Error('only nodes of our own have cables')
  await runIn({ holder: controlPlane }, ['ip', 'link', 'set', node.cable, state])
}

/** Waits for a condition of a node, such as `Ready=Unknown` for one that was lost. @throws after `seconds` */
export async function waitForNode(node: NodeState, condition: string, seconds = 60): Promise<void> {
  const args = ['wait', `node/${node.name}`, `--for=condition=${condition}`, `--timeout=${seconds}s`]
  await mustKubectl(args, { seconds: seconds + 10 })
}

export async function cordon(node: NodeState): Promise<void> {
  await mustKubectl(['cordon', node.name])
}

export async function uncordon(node: NodeState): Promise<void> {
  await mustKubectl(['uncordon', node.name])
}

/** Cordons a node and evicts its pods, as an administrator does. Ends with an exit code when the time is over. */
export function drain(node: NodeState, seconds = 120): Promise<Finished> {
  const args = ['drain', node.name, '--ignore-daemonsets', '--delete-emptydir-data', `--timeout=${seconds}s`]
  return kubectl(args, { seconds: seconds + 10 })
}

/** Asks for the eviction of a pod. 201: it will go. 429: a disruption budget forbids it now. */
export async function evict(namespace: string, pod: string): Promise<number> {
  const { status } = await apiRequest({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } },
  })
  return status
}
