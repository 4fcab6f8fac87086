import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { electionProfiles } from '@regent/contract/election.ts'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import type { ApiServer } from '../../src/election/api-server.ts'
import type { ElectionStatus } from '../../src/election/election.ts'
import type { LeaderWork } from '../../src/election/leader-work.ts'
import type { EndReason, Leadership } from '../../src/election/leadership.ts'
import { leaseCollection } from '../../src/election/lease-client.ts'
import { LeaseElection } from '../../src/election/lease-election.ts'
import { type LeaseRecord, parseLease } from '../../src/election/lease-record.ts'
import { Watch } from '../../src/election/watch.ts'

const patienceMs = 30_000

/** What the electors of the tests may do, as the Role of an agent allows it. */
export const electorRules = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'watch', 'create', 'update'] },
]

/** One replica in this process: its elector's thread, and work that only waits. */
export class Member {
  readonly pod: string
  readonly election: LeaseElection
  readonly reigns: Leadership[] = []
  readonly ends: EndReason[] = []
  prepared = 0
  /** Work of this member runs. */
  isWorking = false
  #isStopped = false

  private constructor(api: ApiServer, lease: { name: string; namespace: string }, index: number, port: number) {
    this.pod = `pod-${index}`
    const address = `127.0.0.${10 + index}`
    const work: LeaderWork = {
      name: 'waiting',
      prepare: () => {
        this.prepared += 1
        return Promise.resolve()
      },
      lead: (leadership) => this.#lead(leadership),
    }
    const options = {
      machine: {
        identity: { pod: this.pod, podUid: `uid-${index}`, boot: crypto.randomUUID() },
        leaseName: lease.name,
        leaseNamespace: lease.namespace,
        timing: electionProfiles.fast,
        drainBudgetSeconds: 5,
        node: `node-${index}`,
        peer: `${address}:${port}`,
        mayRetakeAtOnce: true,
      },
      agentId: lease.name,
      api,
      listen: { address, port },
      evidence: { peers: true, pods: false },
      podSelector: '',
      processStartedAtMs: Date.now(),
    }
    this.election = new LeaseElection(options, [work])
  }

  /** One that does not compete before it is started: who waits for its leadership listens first. */
  static async create(api: ApiServer, lease: { name: string; namespace: string }, index: number): Promise<Member> {
    return new Member(api, lease, index, await freePort())
  }

  get status(): ElectionStatus {
    return this.election.status
  }

  /** Waits until the status is as expected. */
  async until(is: (status: ElectionStatus) => boolean): Promise<ElectionStatus> {
    const signal = AbortSignal.timeout(patienceMs)
    while (!is(this.status)) await once(this.election, 'status', { signal })
    return this.status
  }

  async stop(): Promise<boolean> {
    if (this.#isStopped) return true
    this.#isStopped = true
    return this.election.stop()
  }

  async #lead(leadership: Leadership): Promise<void> {
    this.isWorking = true
    this.reigns.push(leadership)
    const { signal, draining } = leadership
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve())
      draining.addEventListener('abort', () => resolve())
    })
    if (signal.aborted) this.ends.push(signal.reason as EndReason)
    this.isWorking = false
  }
}

/** Waits until one of them begins to lead from now on, and returns it with its leadership. */
export async function nextLeader(members: readonly Member[]): Promise<{ member: Member; leadership: Leadership }> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(patienceMs)])
  try {
    return await Promise.race(
      members.map(async (member) => {
        const [leadership] = (await once(member.election, 'leading', { signal })) as [Leadership]
        return { member, leadership }
      }),
    )
  } finally {
    over.abort()
  }
}

/** What an observer sees of a Lease: every version of it, in order. */
export class LeaseObserver {
  readonly records: LeaseRecord[] = []
  readonly #watch: Watch
  readonly #path: string

  private constructor(api: ApiServer, { name, namespace }: { name: string; namespace: string }) {
    this.#path = `${leaseCollection(namespace)}/${name}`
    this.#watch = new Watch(api, { path: leaseCollection(namespace), fieldSelector: `metadata.name=${name}` })
    this.#watch.on('event', ({ type, object }) => {
      const record = parseLease(object)
      if (record && type !== 'DELETED') this.records.push(record)
    })
  }

  static async start(api: ApiServer, lease: { name: string; namespace: string }): Promise<LeaseObserver> {
    const observer = new LeaseObserver(api, lease)
    const answered = once(observer.#watch, 'answered', { signal: AbortSignal.timeout(patienceMs) })
    observer.#watch.start()
    await answered
    return observer
  }

  /** The first version that satisfies. */
  async first(what: string, is: (record: LeaseRecord) => boolean): Promise<LeaseRecord> {
    const signal = AbortSignal.timeout(patienceMs)
    for (;;) {
      const found = this.records.find(is)
      if (found) return found
      await once(this.#watch, 'event', { signal }).catch((error: unknown) => {
        throw new Error(`never seen: ${what}`, { cause: error })
      })
    }
  }

  /** What a person does with kubectl. */
  async edit(body: object): Promise<void> {
    const { status } = await apiRequest({ method: 'PATCH', path: this.#path, body })
    if (status !== 200) throw new Error(`the Lease could not be edited: ${status}`)
  }

  async annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await this.edit({ metadata: { annotations } })
  }

  async remove(): Promise<void> {
    await apiRequest({ method: 'DELETE', path: this.#path })
  }

  close(): void {
    this.#watch.close()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
