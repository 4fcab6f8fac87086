import { readdirSync, readFileSync } from 'node:fs'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { type Takeover, takeovers } from '@regent/contract/takeover.ts'
import { kubectlJson } from '../../../test/cluster/kubectl.ts'
import { nodeNamed } from '../../../test/cluster/node-operations.ts'
import type { NodeState } from '../../../test/cluster/state.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'

const namespace = 'regent-system'

/** Who leads an agent, as its Lease says. */
export interface Leading {
  readonly pod: string
  readonly podUid: string
  readonly epoch: bigint
  readonly reason: string
  /** Newest first. */
  readonly takeovers: readonly Takeover[]
  /** Names of the pods that are connected to the leader and would take over. */
  readonly standbys: readonly string[]
  readonly transitions: number
}

interface Lease {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions?: number; readonly renewTime?: string }
}

/** The leader of an agent, once its epoch is on the Lease; `undefined` while nobody leads or the Lease ran out. */
export async function leaderOf(agentId: string): Promise<Leading | undefined> {
  const { metadata, spec } = await kubectlJson<Lease>(['get', 'lease', `regent-agent-${agentId}`, '-n', namespace])
  const annotations = metadata.annotations ?? {}
  const [pod = '', podUid = ''] = (spec.holderIdentity ?? '').split('_')
  const epoch = annotations[leaseAnnotations.epoch]
  const ageMs = Date.now() - Date.parse(spec.renewTime ?? '')
  if (pod === '' || epoch === undefined || !(ageMs < 6000)) return undefined
  const standbys = JSON.parse(annotations[leaseAnnotations.standbys] ?? '[]') as { pod: string; ready: boolean }[]
  return {
    pod,
    podUid,
    epoch: BigInt(epoch),
    reason: annotations[leaseAnnotations.reason] ?? '',
    takeovers: takeovers.parse(JSON.parse(annotations[leaseAnnotations.takeovers] ?? '[]')),
    standbys: standbys.filter(({ ready }) => ready).map((standby) => standby.pod),
    transitions: spec.leaseTransitions ?? 0,
  }
}

/** The takeovers between two leaders, newest first. */
export function movesSince(before: Leading, { takeovers }: Leading): readonly Takeover[] {
  return takeovers.filter(({ epoch }) => BigInt(epoch) > before.epoch)
}

/** Waits until somebody leads and so many standbys would take over. */
export function settled(agentId: string, standbys: number, seconds = 60): Promise<Leading> {
  return waitFor(
    `a leader and ${standbys} standbys of ${agentId}`,
    async () => {
      const leader = await leaderOf(agentId)
      return leader?.standbys.length === standbys && leader
    },
    { seconds },
  )
}

/** Waits for the leader with a greater epoch. */
export function successor(agentId: string, former: Leading, seconds = 30): Promise<Leading> {
  return waitFor(
    `a leader after epoch ${former.epoch}`,
    async () => {
      const leader = await leaderOf(agentId)
      return leader !== undefined && leader.epoch > former.epoch && leader
    },
    { seconds, everyMilliseconds: 50 },
  )
}

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string }
  readonly spec: { readonly nodeName: string }
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly containerID?: string
      readonly restartCount: number
      readonly lastState?: { readonly terminated?: { readonly reason: string; readonly exitCode: number } }
    }[]
  }
}

/** The pods of an agent that nobody has asked to end. */
export async function podsOf(agentId: string): Promise<readonly Pod[]> {
  const selector = `app.kubernetes.io/name=regent-agent,app.kubernetes.io/instance=${agentId}`
  const { items } = await kubectlJson<{ items: readonly Pod[] }>(['get', 'pods', '-n', namespace, '-l', selector])
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** The node on which the leader runs. */
export async function nodeOf(agentId: string, { pod }: Leading): Promise<NodeState> {
  const found = (await podsOf(agentId)).find(({ metadata }) => metadata.name === pod)
  if (found === undefined) throw new Error(`no pod ${pod}`)
  return nodeNamed(found.spec.nodeName)
}

/**
 * The process of the leader's container, seen from outside of it: from inside nobody can kill a process 1.
 *
 * @throws if there is not exactly one
 */
export async function processOf(agentId: string, { pod }: Leading): Promise<number> {
  const found = (await podsOf(agentId)).find(({ metadata }) => metadata.name === pod)
  const container = found?.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '')
  if (container === undefined) throw new Error(`no container of ${pod}`)
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isIn(container, name))
  const [pid, ...others] = pids
  if (pid === undefined || others.length > 0) throw new Error(`${pids.length} processes in the container of ${pod}`)
  return Number(pid)
}

function isIn(container: string, pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(container)
  } catch {
    // It ended meanwhile.
    return false
  }
}
