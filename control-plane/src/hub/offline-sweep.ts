import { connectionRecord, statusRecord } from '../agents/agent-records.ts'
import type { KeyValue } from '../store/key-value.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'

/** Agents of one page. */
const pageSize = 500

export interface OfflineSweepOptions {
  readonly store: Pick<Store, 'list' | 'snapshot' | 'transact'>
  /** UID of the pod that sweeps. */
  readonly podUid: string
  /** Whether a connection is open at this pod, registered or on its way to it. */
  readonly isOpen: (connectionId: string) => boolean
  readonly signal: AbortSignal
  /** @default the time of day */
  readonly now?: () => Date
}

/**
 * Says of every agent without a connection that it is offline: its pod died before it could. So is one that is entered
 * with a connection of this pod which is closed: it was closed before anybody knew that it had been registered. Any
 * number of pods may do it at once, each change is a transaction on what was read.
 *
 * @returns how many were found
 */
export async function sweepOffline(options: OfflineSweepOptions): Promise<number> {
  const { store, signal, now = () => new Date() } = options
  const { items } = await store.snapshot(prefixes.connections, { signal })
  const connections = new Map(items.map((stored) => [idOf(stored.key), stored]))
  const closed = closedOf(items, options)
  let found = 0
  let after: { readonly key: string; readonly createRevision: bigint } | undefined
  for (;;) {
    const page = await store.list(prefixes.statuses, { limit: pageSize, signal, ...(after !== undefined && { after }) })
    for (const { stored, value } of statusRecord.parseAll(page.items).records) {
      const agentId = idOf(stored.key)
      const connection = connections.get(agentId)
      if (value.health === 'offline' || (connection !== undefined && !closed.has(connection))) continue
      const { succeeded } = await store.transact(
        {
          when: [
            { key: keys.connection(agentId), modRevision: connection?.modRevision ?? 0n },
            { key: stored.key, modRevision: stored.modRevision },
          ],
          then: [
            { delete: keys.connection(agentId) },
            {
              put: stored.key,
              value: statusRecord.serialize({ ...value, health: 'offline', since: now().toISOString() }),
            },
          ],
        },
        { signal },
      )
      if (succeeded) found += 1
    }
    after = page.items.at(-1)
    if (!page.more || after === undefined) return found
  }
}

/** Those that this pod has entered and does not hold. One that cannot be read is somebody's who can. */
function closedOf(items: readonly KeyValue[], { podUid, isOpen }: OfflineSweepOptions): ReadonlySet<KeyValue> {
  const { records } = connectionRecord.parseAll(items)
  const closed = records.filter(({ value }) => value.podUid === podUid && !isOpen(value.connectionId))
  return new Set(closed.map(({ stored }) => stored))
}
