import type { AgentConnection } from './agent-connection.ts'

/** Every connection of this pod, also those that have not registered. */
export class OpenConnections implements Iterable<AgentConnection> {
  readonly #byAgent = new Map<string, Set<AgentConnection>>()
  readonly #ids = new Set<string>()

  get size(): number {
    return this.#ids.size
  }

  add(connection: AgentConnection): void {
    const { agentId } = connection.identity
    const ofAgent = this.#byAgent.get(agentId) ?? new Set()
    this.#byAgent.set(agentId, ofAgent.add(connection))
    this.#ids.add(connection.connectionId)
  }

  delete(connection: AgentConnection): void {
    const { agentId } = connection.identity
    const ofAgent = this.#byAgent.get(agentId)
    if (ofAgent?.delete(connection) !== true) return
    this.#ids.delete(connection.connectionId)
    if (ofAgent.size === 0) this.#byAgent.delete(agentId)
  }

  /** Those that were opened with credentials of an agent. */
  of(agentId: string): Iterable<AgentConnection> {
    return this.#byAgent.get(agentId) ?? []
  }

  has(connectionId: string): boolean {
    return this.#ids.has(connectionId)
  }

  *[Symbol.iterator](): Iterator<AgentConnection> {
    for (const ofAgent of this.#byAgent.values()) yield* ofAgent
  }
}
