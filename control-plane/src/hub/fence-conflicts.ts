import type { Leadership } from './admission.ts'

/** After so many refusals of one leadership, over so long, it is no straggler of the past: its Lease says it leads. */
const fewestRefusals = 3
const shortestMs = 30_000
/** Most agents that are remembered; the one that was refused longest ago is forgotten first. */
const mostRemembered = 10_000

interface Refusals {
  readonly leadership: Leadership
  readonly sinceMs: number
  count: number
}

/**
 * Tells a leader of the past, which reads its Lease and gives up, from one that is refused again and again because its
 * Lease tells it that it leads: its cluster was restored from a backup, and epochs went back. Somebody must decide.
 */
export class FenceConflicts {
  readonly #refused = new Map<string, Refusals>()
  readonly #nowMs: () => number

  /** @param nowMs monotonic, in milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** A leadership was refused. @returns whether that is a conflict which only a person can end */
  refused(agentId: string, leadership: Leadership, isOtherLineage: boolean): boolean {
    const before = this.#refused.get(agentId)
    const isSame =
      before?.leadership.epoch === leadership.epoch &&
      before.leadership.holder === leadership.holder &&
      before.leadership.lineage === leadership.lineage
    const refusals = isSame ? before : { leadership, sinceMs: this.#nowMs(), count: 0 }
    refusals.count += 1
    this.#refused.delete(agentId)
    this.#refused.set(agentId, refusals)
    const [oldest] = this.#refused.keys()
    if (this.#refused.size > mostRemembered && oldest !== undefined) this.#refused.delete(oldest)
    // Histories that cannot be compared are no matter of time.
    if (isOtherLineage) return true
    return refusals.count >= fewestRefusals && this.#nowMs() - refusals.sinceMs >= shortestMs
  }

  /** A leadership of this agent was admitted: what was refused before is over. */
  admitted(agentId: string): void {
    this.#refused.delete(agentId)
  }
}
