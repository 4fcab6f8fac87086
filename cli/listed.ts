import type { AgentResource, ApiEvent, CommandResource } from '@regent/contract/api.ts'

/** What is told of agents. */
export type AgentEvent = Exclude<ApiEvent, { readonly type: 'reset' | 'command' }>
type CommandEvent = Extract<ApiEvent, { readonly type: 'command' }>

/** What an event means for a list: it is about something in it, or about something that is not in it any more. */
export type Change = 'listed' | 'leaves'

/** What is said of something that leaves a list that is followed. */
export const leavesList = ', no longer in this list'

/** Which agents a list shows. */
export interface AgentFilter {
  readonly approval: string | undefined
  readonly health: string | undefined
}

interface KnownAgent {
  readonly approval: string
  readonly health: string
}

/**
 * Which agents are in a list that is followed. An event tells one property of an agent and a filter may ask for two, so
 * those of all agents are kept.
 */
export class ListedAgents {
  readonly #filter: AgentFilter
  #known = new Map<string, KnownAgent>()

  constructor(filter: AgentFilter) {
    this.#filter = filter
  }

  /** @param agents all that there are */
  begin(agents: readonly AgentResource[]): void {
    this.#known = new Map(agents.map(({ agentId, approval, health }) => [agentId, { approval, health }]))
  }

  /** `undefined` for an event that is not about the list. */
  take(event: AgentEvent): Change | undefined {
    const before = this.#known.get(event.agentId)
    const after = afterwards(before, event)
    if (after === undefined) this.#known.delete(event.agentId)
    else this.#known.set(event.agentId, after)
    if (this.#fits(after)) return 'listed'
    // That it was removed says enough.
    if (this.#fits(before)) return after === undefined ? 'listed' : 'leaves'
    return undefined
  }

  #fits(agent: KnownAgent | undefined): boolean {
    const { approval, health } = this.#filter
    if (agent === undefined) return false
    return (approval ?? agent.approval) === agent.approval && (health ?? agent.health) === agent.health
  }
}

function afterwards(before: KnownAgent | undefined, event: AgentEvent): KnownAgent | undefined {
  // An agent that was just made has not been seen.
  const { approval, health } = before ?? { approval: 'pending', health: 'offline' }
  if (event.type === 'agent-removed') return undefined
  return event.type === 'agent' ? { approval: event.approval, health } : { approval, health: event.health }
}

/** Which commands are in a list that is followed. */
export class ListedCommands {
  readonly #state: string | undefined
  #ids = new Set<string>()

  /** @param state the only one that the list shows; `undefined` for all */
  constructor(state: string | undefined) {
    this.#state = state
  }

  begin(commands: readonly CommandResource[]): void {
    this.#ids = new Set(commands.map(({ commandId }) => commandId))
  }

  /** `undefined` for an event that is not about the list. */
  take({ commandId, state }: CommandEvent): Change | undefined {
    if (state === (this.#state ?? state)) {
      this.#ids.add(commandId)
      return 'listed'
    }
    return this.#ids.delete(commandId) ? 'leaves' : undefined
  }
}
