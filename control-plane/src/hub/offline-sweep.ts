import { statusRecord } from '../agents/agent-records.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'

/** Agents of one page. */
const pageSize = 500

/**
 * Says of every agent without a connection that it is offline: its pod died before it could. Any number of pods may do
 * it at once, each change is a transaction on what was read.
 *
 * @returns how many were found
 */
export async function sweepOffline(
  store: Pick<Store, 'list' | 'snapshot' | 'transact'>,
  signal: AbortSignal,
  now: () => Date = () => new Date(),
): Promise<number> {
  const connected = new Set((await store.snapshot(prefixes.connections, { signal })).items.map(({ key }) => idOf(key)))
  let found = 0
  let after: { readonly key: string; readonly createRevision: bigint } | undefined
  for (;;) {
    const page = await store.list(prefixes.statuses, { limit: pageSize, signal, ...(after !== undefined && { after }) })
    for (const { stored, value } of statusRecord.parseAll(page.items).records) {
      const agentId = idOf(stored.key)
      if (value.health === 'offline' || connected.has(agentId)) continue
      const { succeeded } = await store.transact(
        {
          when: [
            { key: keys.connection(agentId), exists: false },
            { key: stored.key, modRevision: stored.modRevision },
          ],
          then: [
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
