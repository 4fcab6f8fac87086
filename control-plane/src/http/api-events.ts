import type { ApiEvent } from '@regent/contract/api.ts'
import { agentRecord, statusRecord } from '../agents/agent-records.ts'
import { doneCommandRecord, openCommandRecord } from '../commands/command-records.ts'
import type { WatchEvent } from '../store/key-value.ts'
import { idOf, prefixes } from '../store/keys.ts'

/** Reads what the API tells of a change of one key; nothing where it is nobody's business. */
export type EventReader = (event: WatchEvent) => ApiEvent | undefined

/** Records of agents. @throws UnreadableRecord */
export const agentEvents: EventReader = (event) => {
  const key = keyOf(event)
  if (!key.startsWith(prefixes.agents)) return undefined
  const agentId = idOf(key)
  if (event.kind === 'delete') return { type: 'agent-removed', agentId }
  return { type: 'agent', agentId, approval: agentRecord.parse(event.item).approval }
}

/** How agents are. @throws UnreadableRecord */
export const healthEvents: EventReader = (event) => {
  const key = keyOf(event)
  if (event.kind === 'delete' || !key.startsWith(prefixes.statuses)) return undefined
  const { health, since, activeSessions, fenceConflict } = statusRecord.parse(event.item)
  return {
    type: 'agent-health',
    agentId: idOf(key),
    health,
    since,
    ...(activeSessions !== undefined && { activeSessions }),
    fenceConflict: fenceConflict !== undefined,
  }
}

/** How far commands are. @throws UnreadableRecord */
export const commandEvents: EventReader = (event) => {
  if (event.kind === 'delete') return undefined
  const isOpen = event.item.key.startsWith(prefixes.allOpenCommands)
  if (!isOpen && !event.item.key.startsWith(prefixes.allDoneCommands)) return undefined
  const { agentId, commandId, action, target, state, deliveries } = isOpen
    ? openCommandRecord.parse(event.item)
    : doneCommandRecord.parse(event.item)
  return { type: 'command', agentId, commandId, action, target, state, deliveries }
}

/** The key that an event is about. */
export function keyOf(event: WatchEvent): string {
  return event.kind === 'put' ? event.item.key : event.key
}

/** The revision at which it happened. */
export function revisionOf(event: WatchEvent): bigint {
  return event.kind === 'put' ? event.item.modRevision : event.modRevision
}
