import { at, textAt } from './json.ts'

/** What the election reads of a pod of its agent, and what it concludes: pure functions, no network. */

/** A pod of the agent. */
export interface Pod {
  readonly uid: string
  readonly name: string
  /** When it was created, in milliseconds since 1970, by the API server's clock in whole seconds. */
  readonly createdMs: number
  /** Revision of the Deployment that it was made from; absent for a pod of nobody. */
  readonly templateHash: string | undefined
  /** Whether somebody has asked for its end. */
  readonly isDeleting: boolean
  /** What the kubelet reported of the agent's container last. */
  readonly container: ContainerReport | undefined
}

/** A container as the kubelet reports it, some time after the fact. */
export interface ContainerReport {
  /** ID of the container that runs, or ran last: `containerd://…`. */
  readonly id: string | undefined
  /** When it began to run, in milliseconds since 1970, by the node's clock in whole seconds; absent when it does not. */
  readonly runningSinceMs: number | undefined
  /** ID of the one before it. */
  readonly beforeId: string | undefined
  /** IDs of those that are reported as having ended. */
  readonly terminatedIds: readonly string[]
}

/** Name of the container that runs the program. */
const agentContainer = 'agent'
/** What Kubernetes' controllers write on the pods of a Deployment. */
const templateHashLabel = 'pod-template-hash'
/** The kubelet's word for a container that it lost sight of: that is no report of an end. */
const unknownEnd = 'ContainerStatusUnknown'

/** The pod of an object of the API server; `undefined` where it is none. */
export function parsePod(object: unknown): Pod | undefined {
  const uid = textAt(object, 'metadata', 'uid')
  const name = textAt(object, 'metadata', 'name')
  const createdMs = momentAt(object, 'metadata', 'creationTimestamp')
  if (uid === undefined || name === undefined || createdMs === undefined) return undefined
  return {
    uid,
    name,
    createdMs,
    templateHash: textAt(object, 'metadata', 'labels', templateHashLabel),
    isDeleting: at(object, 'metadata', 'deletionTimestamp') !== undefined,
    container: reportOf(at(object, 'status', 'containerStatuses')),
  }
}

function reportOf(statuses: unknown): ContainerReport | undefined {
  if (!Array.isArray(statuses)) return undefined
  const status: unknown = statuses.find((each) => textAt(each, 'name') === agentContainer)
  if (status === undefined) return undefined
  return {
    id: textAt(status, 'containerID'),
    runningSinceMs: momentAt(status, 'state', 'running', 'startedAt'),
    beforeId: textAt(status, 'lastState', 'terminated', 'containerID'),
    terminatedIds: ['state', 'lastState'].flatMap((state) => {
      const id = textAt(status, state, 'terminated', 'containerID')
      return id === undefined || textAt(status, state, 'terminated', 'reason') === unknownEnd ? [] : [id]
    }),
  }
}

function momentAt(value: unknown, ...path: readonly string[]): number | undefined {
  const moment = Date.parse(textAt(value, ...path) ?? '')
  return Number.isNaN(moment) ? undefined : moment
}

/**
 * Whether the kubelet has reported the end of exactly this container of exactly this pod: evidence that the process in
 * it is dead. Nothing else is: a pod that is deleted, failed, not ready or gone may still run somewhere.
 */
export function isTerminated(pods: Iterable<Pod>, podUid: string, containerId: string): boolean {
  if (podUid === '' || containerId === '') return false
  for (const pod of pods) {
    if (pod.uid === podUid && pod.container?.terminatedIds.includes(containerId) === true) return true
  }
  return false
}

/**
 * The revision that a rollout moves to: that of the newest pod that nobody deletes. `undefined` without such a pod.
 * It is a preference: a pod of an old revision that is made anew during a rollout is the newest for a while.
 */
export function newestTemplateHash(pods: Iterable<Pod>): string | undefined {
  let newest: Pod | undefined
  for (const pod of pods) {
    if (pod.isDeleting || pod.templateHash === undefined) continue
    // Every replica must come to the same answer, also for pods of the same second.
    const isNewer = newest === undefined || pod.createdMs > newest.createdMs
    if (isNewer || (pod.createdMs === newest?.createdMs && pod.uid > newest.uid)) newest = pod
  }
  return newest?.templateHash
}

/** A container begins at most this long before its process, in milliseconds. */
const startMs = 3000
/** Times of the kubelet are cut to whole seconds, and its clock may be set a little between two readings. */
const toleranceMs = 1000

/**
 * ID of the container that runs this process, as soon as the kubelet has reported it; `undefined` while that is not
 * certain. A wrong one would be evidence against a leader that lives: after a restart the kubelet reports the container
 * before this one as running for a second or two, and then as terminated.
 *
 * @param processStartedAtMs when this process began, in milliseconds since 1970
 * @param previousStartMs when the process before it in this pod began, if there was one: a container that is not
 *   younger than that is not ours
 */
export function ownContainer(
  pods: Iterable<Pod>,
  podUid: string,
  processStartedAtMs: number,
  previousStartMs?: number,
): string | undefined {
  for (const { uid, container } of pods) {
    if (uid !== podUid || container === undefined) continue
    const { id, runningSinceMs, beforeId, terminatedIds } = container
    if (id === undefined || id === '' || runningSinceMs === undefined) return undefined
    if (id === beforeId || terminatedIds.includes(id)) return undefined
    const aheadMs = processStartedAtMs - runningSinceMs
    if (aheadMs > startMs || aheadMs < -toleranceMs) return undefined
    return previousStartMs === undefined || runningSinceMs > previousStartMs ? id : undefined
  }
  return undefined
}
