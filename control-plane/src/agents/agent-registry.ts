import type { AgentResource } from '@regent/contract/api.ts'
import { afterWrite } from '../store/errors.ts'
import type { KeyValue, OperationResult } from '../store/key-value.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { type AgentRecord, agentRecord, statusRecord } from './agent-records.ts'
import { agentResourceOf, type StoredAgent, storedAgent } from './agent-resource.ts'
import { Conflict, NotThere } from './errors.ts'

/** What the registry needs of the store. */
export type RegistryStore = Pick<Store, 'get' | 'list' | 'transact'>

/** Which agents, and from where on. */
export interface AgentQuery {
  readonly approval?: AgentResource['approval'] | undefined
  readonly health?: AgentResource['health'] | undefined
  /** Most agents that are returned. */
  readonly limit: number
  /** The agent after which the list goes on. */
  readonly after?: string | undefined
}

/** One part of the list of agents. */
export interface AgentPage {
  readonly agents: readonly AgentResource[]
  /** The agent after which the next part begins; absent after the last one. */
  readonly after?: string
}

/** Records that one call reads at most, whatever it is looking for: the rest is asked for by the next call. */
const mostScanned = 2000
/** Agents that one transaction reads: three keys of each, and etcd takes 128 operations. */
const agentsAtOnce = 40
/** How often a change is tried again that somebody else got ahead of. */
const mostAttempts = 5

/**
 * The agents in etcd: which there are, which of them may connect, and how they are. Every change is one transaction on
 * what was read, so two who change one agent at once never undo each other unseen.
 *
 * @throws StoreUnavailable, StoreFull and UnreadableRecord of the store, from every call
 */
export class AgentRegistry {
  readonly #store: RegistryStore
  readonly #now: () => Date

  /** @param now the time of day, for records */
  constructor(store: RegistryStore, now: () => Date = () => new Date()) {
    this.#store = store
    this.#now = now
  }

  /** The record of an agent and the revision that a guarded change compares; `undefined` where there is none. */
  async find(agentId: string): Promise<{ readonly record: AgentRecord; readonly modRevision: bigint } | undefined> {
    const { found } = await this.#store.get(keys.agent(agentId))
    return found === undefined ? undefined : { record: agentRecord.parse(found), modRevision: found.modRevision }
  }

  /** An agent as the API shows it. @throws NotThere */
  async read(agentId: string): Promise<AgentResource> {
    const { results } = await this.#store.transact({
      when: [],
      then: [{ get: keys.agent(agentId) }, ...besides(agentId)],
    })
    const [agent, ...others] = results.map(foundIn)
    if (agent === undefined) throw new NotThere(`agent '${agentId}'`)
    return agentResourceOf(storedAgent(agentId, agentRecord.parse(agent), others))
  }

  /**
   * A part of the agents, by id. A part may hold fewer than the limit, or none, although there are more: then the
   * filter matched few of those that were looked at.
   *
   * @param onUnreadable told of records that are left out because they cannot be read
   */
  async list(query: AgentQuery, onUnreadable: (error: Error) => void): Promise<AgentPage> {
    const agents: AgentResource[] = []
    let { after } = query
    for (let scanned = 0; scanned < mostScanned;) {
      const { items, more } = await this.#store.list(prefixes.agents, {
        limit: agentsAtOnce,
        ...(after !== undefined && { after: { key: keys.agent(after), createRevision: 0n } }),
      })
      scanned += items.length
      const { records, unreadable } = agentRecord.parseAll(items)
      unreadable.forEach(onUnreadable)
      const wanted = records.filter(({ value }) => query.approval === undefined || value.approval === query.approval)
      const read = await this.#readAll(
        wanted.map(({ stored, value }) => [idOf(stored.key), value]),
        onUnreadable,
      )
      for (const stored of read) {
        const resource = agentResourceOf(stored)
        if (query.health !== undefined && resource.health !== query.health) continue
        agents.push(resource)
        // The one that fills the page is the one after which the next begins; whether there is one it finds out.
        if (agents.length === query.limit) return { agents, after: stored.agentId }
      }
      const last = items.at(-1)
      if (!more || last === undefined) return { agents }
      after = idOf(last.key)
    }
    return { agents, ...(after !== undefined && { after }) }
  }

  /**
   * Registers an agent before it ever connected.
   *
   * @throws Conflict where there is one with this id
   */
  async create(agentId: string, options: { readonly approved: boolean; readonly by: string }): Promise<AgentResource> {
    const at = this.#now().toISOString()
    const agent: AgentRecord = {
      registeredAt: at,
      ...(options.approved
        ? { approval: 'approved' as const, decidedBy: options.by, decidedAt: at }
        : { approval: 'pending' as const }),
    }
    const { succeeded } = await this.#store.transact({
      when: [{ key: keys.agent(agentId), exists: false }],
      then: [{ put: keys.agent(agentId), value: agentRecord.serialize(agent) }],
    })
    if (!succeeded) throw new Conflict(`there is an agent '${agentId}' already; delete it first, or choose another id`)
    return await this.#written(agentId)
  }

  /**
   * Lets an agent connect, or forbids it. Its connection is closed by the pod that holds it.
   *
   * @throws NotThere
   */
  async decide(agentId: string, approval: 'approved' | 'rejected', by: string): Promise<AgentResource> {
    await this.#retried(agentId, async () => {
      const found = await this.find(agentId)
      if (found === undefined) throw new NotThere(`agent '${agentId}'`)
      if (found.record.approval === approval) return true
      const agent = { ...found.record, approval, decidedBy: by, decidedAt: this.#now().toISOString() }
      const { succeeded } = await this.#store.transact({
        when: [{ key: keys.agent(agentId), modRevision: found.modRevision }],
        then: [{ put: keys.agent(agentId), value: agentRecord.serialize(agent) }],
      })
      return succeeded
    })
    return await this.#written(agentId)
  }

  /**
   * Forgets the newest leadership of an agent, so that the next one that registers is taken whatever its epoch is: for
   * a cluster that was restored from a backup. Whoever is connected is disconnected and registers again.
   *
   * Not guaranteed: that the next one is the right one. Until it has registered, an old leader that still runs could
   * come first; the right one then takes its place with its own epoch, if that is newer.
   *
   * @throws NotThere
   */
  async resetFence(agentId: string): Promise<AgentResource> {
    await this.#retried(agentId, async () => {
      const { results } = await this.#store.transact({
        when: [],
        then: [{ get: keys.agent(agentId) }, ...besides(agentId)],
      })
      const [agent, status, fence] = results.map(foundIn)
      if (agent === undefined) throw new NotThere(`agent '${agentId}'`)
      const { fenceConflict, ...healthy } = status === undefined ? {} : statusRecord.parse(status)
      if (fence === undefined && fenceConflict === undefined) return true
      const { succeeded } = await this.#store.transact({
        when: [
          { key: keys.agent(agentId), modRevision: agent.modRevision },
          { key: keys.fence(agentId), modRevision: fence?.modRevision ?? 0n },
          { key: keys.status(agentId), modRevision: status?.modRevision ?? 0n },
        ],
        then: [
          { delete: keys.fence(agentId) },
          ...('health' in healthy ? [{ put: keys.status(agentId), value: statusRecord.serialize(healthy) }] : []),
        ],
      })
      return succeeded
    })
    return await this.#written(agentId)
  }

  /**
   * Removes an agent for good: its record, status, fence, keys and commands, those that are not done as well. Its
   * connection is closed by the pod that holds it, and its credentials do not count any more: an agent that comes by
   * a ServiceAccount token has to be registered again, like a new one.
   *
   * @throws NotThere
   */
  async remove(agentId: string): Promise<void> {
    await this.#retried(agentId, async () => {
      const found = await this.find(agentId)
      if (found === undefined) throw new NotThere(`agent '${agentId}'`)
      const { succeeded } = await this.#store.transact({
        // Whoever gives the agent a command compares this as well, so that none is left behind.
        when: [{ key: keys.agent(agentId), modRevision: found.modRevision }],
        then: [
          ...[keys.agent, keys.status, keys.fence, keys.connection].map((key) => ({ delete: key(agentId) })),
          ...[prefixes.agentKeys, prefixes.openCommands, prefixes.doneCommands, prefixes.commandPayloads].map(
            (prefix) => ({ delete: prefix(agentId), prefix: true }),
          ),
        ],
      })
      return succeeded
    })
  }

  /** What a write has made of an agent. */
  async #written(agentId: string): Promise<AgentResource> {
    return await this.read(agentId).catch((error: unknown) => {
      throw afterWrite(error)
    })
  }

  async #readAll(
    agents: readonly (readonly [agentId: string, record: AgentRecord])[],
    onUnreadable: (error: Error) => void,
  ): Promise<readonly StoredAgent[]> {
    if (agents.length === 0) return []
    const { results } = await this.#store.transact({
      when: [],
      then: agents.flatMap(([agentId]) => besides(agentId)),
    })
    const found = results.map(foundIn)
    return agents.flatMap(([agentId, agent], index) => {
      try {
        return [storedAgent(agentId, agent, found.slice(3 * index, 3 * index + 3))]
      } catch (error) {
        onUnreadable(error as Error)
        return []
      }
    })
  }

  async #retried(agentId: string, change: () => Promise<boolean>): Promise<void> {
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) if (await change()) return
    throw new Conflict(`agent '${agentId}' was changed by others ${mostAttempts} times meanwhile; try again`)
  }
}

const besides = (agentId: string) =>
  [{ get: keys.status(agentId) }, { get: keys.fence(agentId) }, { get: keys.connection(agentId) }] as const

function foundIn(result: OperationResult): KeyValue | undefined {
  return result.kind === 'get' ? result.items[0] : undefined
}
