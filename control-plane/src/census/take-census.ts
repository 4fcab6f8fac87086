import type { Log } from '@regent/runtime/logging/log.ts'
import { agentRecord, statusRecord } from '../agents/agent-records.ts'
import type { LeftOpen } from '../commands/left-open.ts'
import { UnreadableRecord } from '../store/errors.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { type Census, censusRecord } from './census-record.ts'
import { Beside, inOrder } from './in-order.ts'
import { Tally } from './tally.ts'

export interface TakeCensusOptions {
  readonly store: Pick<Store, 'list' | 'transact'>
  /** Name of this pod. */
  readonly pod: string
  readonly log: Log
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}

/** Agents of one page, and connections, of which the keys alone are read. */
const pageSize = 500
const connectionsPageSize = 5000
/** So many records that cannot be read are named in the log. */
const mostNamed = 10

/**
 * Counts all agents at one revision of etcd and writes what was found, with what a sweep has left open, for every pod to
 * tell. Where somebody else has written a census meanwhile, theirs stays: it is no older than this one.
 *
 * Agents are read in pages beside their statuses and connections, which have the same order: it takes no more memory
 * for more of them, and about one request to etcd for each 32.
 *
 * @throws StoreUnavailable, StoreFull, Compacted
 */
export async function takeCensus(
  { store, pod, log, wallMs = Date.now }: TakeCensusOptions,
  leftOpen: LeftOpen,
  signal: AbortSignal,
): Promise<void> {
  const beganMs = performance.now()
  const { results, revision } = await store.transact({ when: [], then: [{ get: keys.census }] }, { signal })
  const [before] = results.map((result) => (result.kind === 'get' ? result.items[0] : undefined))
  const takenAtMs = wallMs()
  const tally = new Tally(takenAtMs)
  const unreadable = await countAgents(store, { revision, signal }, tally)
  const { count, oldestCreatedAt } = leftOpen
  const census: Census = {
    takenAt: new Date(takenAtMs).toISOString(),
    pod,
    tookSeconds: (performance.now() - beganMs) / 1000,
    ...tally.result,
    openCommands: { count, ...(oldestCreatedAt !== undefined && { oldestCreatedAt }) },
    unreadable: unreadable.count + leftOpen.unreadable,
  }
  for (const error of unreadable.first) log.error('census-leaves-out', { key: error.key, error })
  await store.transact(
    {
      when: [{ key: keys.census, modRevision: before?.modRevision ?? 0n }],
      then: [{ put: keys.census, value: censusRecord.serialize(census) }],
    },
    { signal },
  )
}

interface Unreadable {
  readonly count: number
  readonly first: readonly UnreadableRecord[]
}

/** @returns what cannot be read: its agents are left out */
async function countAgents(
  store: Pick<Store, 'list'>,
  at: { readonly revision: bigint; readonly signal: AbortSignal },
  tally: Tally,
): Promise<Unreadable> {
  const statuses = new Beside(inOrder(store, prefixes.statuses, { ...at, limit: pageSize }))
  const connections = new Beside(
    inOrder(store, prefixes.connections, { ...at, limit: connectionsPageSize, keysOnly: true }),
  )
  const first: UnreadableRecord[] = []
  let count = 0
  for await (const stored of inOrder(store, prefixes.agents, { ...at, limit: pageSize })) {
    const agentId = idOf(stored.key)
    const status = await statuses.at(agentId)
    const isConnected = (await connections.at(agentId)) !== undefined
    try {
      tally.add({
        agent: agentRecord.parse(stored),
        status: status === undefined ? undefined : statusRecord.parse(status),
        isConnected,
      })
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      count += 1
      if (first.length < mostNamed) first.push(error)
    }
  }
  return { count, first }
}
