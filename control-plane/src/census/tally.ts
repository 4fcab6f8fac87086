import type { AgentRecord, StatusRecord } from '../agents/agent-records.ts'
import type { Census } from './census-record.ts'

/** What is stored of an agent at one revision, as far as it is counted. */
export interface Counted {
  readonly agent: AgentRecord
  /** Absent for one that never connected. */
  readonly status?: StatusRecord | undefined
  /** Whether a pod has entered that its leader is connected there. */
  readonly isConnected: boolean
}

/** What a census says of agents. */
export type AgentsTally = Pick<Census, 'agents' | 'leaderless' | 'fenceConflicts'>

/** Counts agents one by one, and remembers none of them. */
export class Tally {
  readonly #atMs: number
  readonly #agents = { pending: 0, approved: 0, rejected: 0 }
  #leaderless = 0
  #leaderlessSinceMs = Infinity
  #fenceConflicts = 0

  /** @param atMs milliseconds since 1970: the moment for which is counted */
  constructor(atMs: number) {
    this.#atMs = atMs
  }

  add(counted: Counted): void {
    const { agent, status } = counted
    this.#agents[agent.approval] += 1
    if (agent.approval !== 'approved') return
    if (status?.fenceConflict !== undefined) this.#fenceConflicts += 1
    if (counted.isConnected) return
    this.#leaderless += 1
    this.#leaderlessSinceMs = Math.min(this.#leaderlessSinceMs, leaderlessSinceMs(counted, this.#atMs))
  }

  get result(): AgentsTally {
    const since = this.#leaderless > 0 && { since: new Date(this.#leaderlessSinceMs).toISOString() }
    return {
      agents: { ...this.#agents },
      leaderless: { count: this.#leaderless, ...since },
      fenceConflicts: this.#fenceConflicts,
    }
  }
}

/**
 * Since when an approved agent that is not connected has had no leader, in milliseconds since 1970. Before it was
 * approved it could have none; and where its pod has died and nobody has said yet that it is offline, it is not known
 * since when, and the time begins now rather than at a moment at which it may well have been led.
 */
function leaderlessSinceMs({ agent, status }: Counted, atMs: number): number {
  const allowedMs = Date.parse(agent.decidedAt ?? agent.registeredAt)
  if (status === undefined) return allowedMs
  return status.health === 'offline' ? Math.max(allowedMs, Date.parse(status.since)) : atMs
}
