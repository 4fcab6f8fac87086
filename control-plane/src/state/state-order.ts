import type { Place } from './import-records.ts'
import type { StateEntry } from './state-entries.ts'

/** The sections of a state: agents with what is theirs, tokens, keys of idempotency. */
const sections = { agents: 0, tokens: 1, idempotency: 2 } as const
/** What is of one agent, in its order. */
const parts = { agent: 0, key: 1, 'open-command': 2, 'done-command': 3 } as const

/** Where an entry stands in a state. Open commands of an agent have one place: their order is their own. */
export function placeOf(entry: StateEntry): Place {
  switch (entry.kind) {
    case 'agent':
      return { section: sections.agents, agentId: entry.agentId, part: parts.agent, id: '' }
    case 'key':
      return { section: sections.agents, agentId: entry.agentId, part: parts.key, id: entry.keyId }
    case 'open-command':
      return { section: sections.agents, agentId: entry.command.agentId, part: parts['open-command'], id: '' }
    case 'done-command': {
      const { agentId, commandId } = entry.command
      return { section: sections.agents, agentId, part: parts['done-command'], id: commandId }
    }
    case 'token':
      return { section: sections.tokens, agentId: '', part: 0, id: entry.tokenId }
    case 'idempotency':
      return { section: sections.idempotency, agentId: '', part: 0, id: entry.hash }
  }
}

/**
 * Why an entry cannot follow another one, in words. Entries stand in one order only, so no record is there twice, and
 * nothing is of an agent that is not there; to find out takes no more than the entry before.
 */
export function misplaced(entry: StateEntry, before: Place | undefined): string | undefined {
  const place = placeOf(entry)
  const isOfAgent = place.section === sections.agents && place.part !== parts.agent
  if (isOfAgent && (before?.section !== sections.agents || before.agentId !== place.agentId)) {
    return `it is of agent '${place.agentId}', which is not the agent before it; entries of an agent follow it`
  }
  if (before === undefined) return undefined
  const order = compare(place, before)
  if (order > 0 || (order === 0 && entry.kind === 'open-command')) return undefined
  return order === 0 ? 'it is there twice' : 'it is not in the order in which states are written'
}

function compare(one: Place, other: Place): number {
  if (one.section !== other.section) return one.section - other.section
  if (one.agentId !== other.agentId) return one.agentId < other.agentId ? -1 : 1
  if (one.part !== other.part) return one.part - other.part
  return one.id === other.id ? 0 : one.id < other.id ? -1 : 1
}
