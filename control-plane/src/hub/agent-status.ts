import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@regent/runtime/logging/log.ts'
import { connectionRecord, statusRecord, type StatusRecord } from '../agents/agent-records.ts'
import { isPassing } from '../store/errors.ts'
import { keys } from '../store/keys.ts'
import type { Lease } from '../store/lease.ts'
import type { Store } from '../store/store.ts'
import type { Leadership } from './admission.ts'
import type { Health } from './agent-connection.ts'
import type { Registered } from './registrations.ts'

/** How often the time at which an agent was seen is written although nothing has changed, in milliseconds. */
const writeAnywayMs = 5 * 60_000
const retryMs = 1_000

export interface AgentStatusOptions {
  readonly store: Pick<Store, 'get' | 'transact'>
  readonly pod: { readonly name: string; readonly uid: string }
  readonly log: Log
  /** Ends what is still tried again. */
  readonly signal: AbortSignal
  /** @default the time of day */
  readonly now?: () => Date
}

/**
 * Writes how agents are, each time under the fence of the connection that saw it: what an older connection saw is
 * never written over what a newer one did.
 */
export class AgentStatus {
  readonly #options: AgentStatusOptions
  readonly #now: () => Date
  /** By connection: what was written last. */
  readonly #written = new Map<string, { readonly health: Health; readonly since: string; readonly atMs: number }>()
  /** By connection: the writing that is under way, and the newest value, which waits for it. */
  readonly #writing = new Map<string, { done: Promise<void>; next: string | undefined }>()

  constructor(options: AgentStatusOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
  }

  /** An agent was heard, or was silent for too long. Written where it has changed; etcd being away is no harm. */
  async saw(registered: Registered, health: Health, activeSessions: number | undefined): Promise<void> {
    const { connectionId } = registered
    const before = this.#written.get(connectionId)
    const atMs = performance.now()
    if (before?.health === health && atMs - before.atMs < writeAnywayMs) return
    const at = this.#now().toISOString()
    const since = before?.health === health ? before.since : at
    this.#written.set(connectionId, { health, since, atMs })
    const value = statusRecord.serialize({
      health,
      since,
      ...(health !== 'stale' && { lastSeenAt: at }),
      ...(activeSessions !== undefined && { activeSessions }),
    })
    await this.#write(registered, value)
  }

  /** One after the other, because of two at once etcd may take the older one last. What was overtaken is left out. */
  async #write(registered: Registered, value: string): Promise<void> {
    const { connectionId, agentId } = registered
    const under = this.#writing.get(connectionId)
    if (under !== undefined) {
      under.next = value
      return
    }
    const writing: { done: Promise<void>; next: string | undefined } = { done: Promise.resolve(), next: value }
    this.#writing.set(connectionId, writing)
    const writeAll = async (): Promise<void> => {
      while (writing.next !== undefined) {
        const then = [{ put: keys.status(agentId), value: writing.next }]
        writing.next = undefined
        try {
          await this.#options.store.transact({ when: [registered.fence], then })
        } catch (error) {
          this.#written.delete(connectionId)
          this.#options.log.warn('status-unwritten', { agent: agentId, error: error as Error })
        }
      }
      this.#writing.delete(connectionId)
    }
    writing.done = writeAll()
    await writing.done
  }

  /** The pod has another lease: enters the connection with it. @returns whether the connection still speaks for the agent */
  async reenter({ agentId, connectionId, epoch, holder, fence }: Registered, lease: Lease): Promise<boolean> {
    const { pod } = this.#options
    const value = connectionRecord.serialize({
      connectionId,
      pod: pod.name,
      podUid: pod.uid,
      holder,
      epoch: String(epoch),
      since: this.#now().toISOString(),
    })
    const { succeeded } = await this.#options.store.transact({
      when: [fence],
      then: [{ put: keys.connection(agentId), value, lease: lease.id }],
    })
    return succeeded
  }

  /** A connection is over: unless another one speaks for the agent, it is offline. Tried until etcd takes it. */
  async left({ agentId, connectionId, fence }: Registered): Promise<void> {
    this.#written.delete(connectionId)
    const { store, signal, log } = this.#options
    const writing = this.#writing.get(connectionId)
    if (writing !== undefined) {
      writing.next = undefined
      await writing.done
    }
    const at = this.#now().toISOString()
    const value = statusRecord.serialize({ health: 'offline', since: at, lastSeenAt: at })
    while (!signal.aborted) {
      try {
        await store.transact({
          when: [fence],
          then: [{ delete: keys.connection(agentId) }, { put: keys.status(agentId), value }],
        })
        return
      } catch (error) {
        if (!isPassing(error)) throw error
        log.info('leaving-unwritten', { agent: agentId, error })
        await pause(retryMs * (1 + Math.random()), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** A leadership is refused although its Lease keeps telling it that it leads. Said until somebody resets the fence. */
  async conflict(agentId: string, { lineage, epoch, holder }: Leadership): Promise<void> {
    const { found } = await this.#options.store.get(keys.status(agentId))
    const at = this.#now().toISOString()
    const status: StatusRecord = found === undefined ? { health: 'offline', since: at } : statusRecord.parse(found)
    const known = status.fenceConflict
    if (known?.epoch === String(epoch) && known.holder === holder && known.lineage === lineage) return
    await this.#options.store.transact({
      when: [{ key: keys.status(agentId), modRevision: found?.modRevision ?? 0n }],
      then: [
        {
          put: keys.status(agentId),
          value: statusRecord.serialize({
            ...status,
            fenceConflict: { lineage, epoch: String(epoch), holder, since: at },
          }),
        },
      ],
    })
  }
}
