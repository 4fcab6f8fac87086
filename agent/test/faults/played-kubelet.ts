import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import { identityOf } from '../../../test/cluster/identity.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { Field } from './field.ts'
import type { Replica } from './replica.ts'

/** How often a kubelet looks at its containers, in milliseconds: what happens in between it sees at the next look. */
export const relistMs = 1000

interface Container {
  readonly pid: number
  readonly id: string
  readonly startedAt: string
}

/**
 * What the kubelet does for the pods of a field, where there are no nodes: it reports which container runs, and that
 * it ended, on the status of the pod, and starts it again. What it sees it sees up to {@link relistMs} late.
 *
 * Not played: how long a container runtime takes to create a container, and a kubelet that is throttled.
 */
export class PlayedKubelet {
  readonly #containers = new Map<Replica, Container>()

  /** Reports the containers of all replicas that run, and waits until the leader knows its own. */
  async reportRunning(field: Field): Promise<void> {
    for (const replica of field.replicas) {
      if (replica.isRunning && this.#containers.get(replica)?.pid !== replica.pid) await this.#begin(replica)
    }
    const leader = await field.leader(10)
    const id = this.#containers.get(leader)?.id
    const isKnown = async (): Promise<boolean> => (await field.lease())?.annotations[leaseAnnotations.container] === id
    await waitFor('the container on the Lease', isKnown, { seconds: 10 })
  }

  /** Sees and reports, some time later, that the container of a replica has ended. */
  async reportEnd(replica: Replica): Promise<void> {
    const container = this.#containers.get(replica)
    if (container === undefined) throw new Error(`no container of ${replica.name} was reported`)
    await replica.ended(10)
    await pause(Math.random() * relistMs)
    const { id: containerID, startedAt } = container
    const times = { startedAt, finishedAt: inSeconds(Date.now()) }
    await report(replica, containerID, { terminated: { exitCode: 137, reason: 'Error', containerID, ...times } })
  }

  /** Sees, some time later, that a container has ended, and starts it again: for the first time in five minutes. */
  async restart(replica: Replica): Promise<void> {
    await replica.ended(10)
    await pause(Math.random() * relistMs)
    const { folder } = replica.place
    for (const name of readdirSync(folder)) {
      // A third start within five minutes leaves the Lease to others, and is no restart that anybody measures.
      if (name.startsWith('regent-agent-boots-')) rmSync(join(folder, name))
    }
    await replica.start()
  }

  async #begin(replica: Replica): Promise<void> {
    const startedAt = inSeconds(startOf(replica.pid))
    const id = `containerd://${randomBytes(32).toString('hex')}`
    this.#containers.set(replica, { pid: replica.pid, id, startedAt })
    await report(replica, id, { running: { startedAt } })
  }
}

async function report({ name, place }: Replica, containerID: string, state: object): Promise<void> {
  const image = 'registry.test/agent:1'
  const status = { name: 'agent', image, imageID: image, restartCount: 0, ready: true, containerID, state }
  const answer = await apiRequest<{ message?: string }>({
    method: 'PATCH',
    path: `/api/v1/namespaces/${place.namespace}/pods/${name}/status`,
    body: { status: { containerStatuses: [status] } },
  })
  if (answer.status !== 200) throw new Error(`status of ${name}: ${answer.status} ${answer.body.message ?? ''}`)
}

/** Ticks of the times in `/proc`, in milliseconds: what programs are told is the same on every machine. */
const tickMs = 10

/** When a process began, in milliseconds since 1970, by the kernel: whoever started it may have been held up since. */
function startOf(pid: number): number {
  const [upSeconds] = readFileSync('/proc/uptime', 'utf8').split(' ')
  return Date.now() - Number(upSeconds) * 1000 + Number(identityOf(pid).startTime) * tickMs
}

/** As Kubernetes writes times: whole seconds, cut. */
function inSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
