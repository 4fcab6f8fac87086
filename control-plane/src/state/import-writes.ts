import { agentRecord, fenceRecord, statusRecord } from '../agents/agent-records.ts'
import { doneCommandRecord, idempotencyRecord, openCommandRecord, payloadRecord } from '../commands/command-records.ts'
import { endedWithoutAgent } from '../commands/ending.ts'
import { agentKeyRecord } from '../identity/agent-keys.ts'
import { tokenRecord } from '../identity/people-tokens.ts'
import { keys } from '../store/keys.ts'
import type { StateEntry } from './state-entries.ts'

/** A key that an import writes. */
export interface ImportPut {
  readonly put: string
  readonly value: string
  /** Whether it is kept for a day only, from the import on. */
  readonly expires: boolean
}

export interface ImportTerms {
  readonly nowMs: number
  /** Who gives up commands that had not ended; `undefined` where they are kept. */
  readonly droppedBy: string | undefined
}

/**
 * What an import makes of an entry.
 *
 * - An agent is offline until it connects. Its fence is as it was: the same leader and newer ones are admitted, older
 *   ones are not.
 * - Keys and tokens are as they were, those that were revoked after the export as well.
 * - A command that had not ended is as it was, with its deliveries: to a leader that comes now it is what a failover
 *   left behind. Or it has ended, given up.
 * - A command that had ended, and a key of idempotency, is kept for another day.
 *
 * @throws TypeError for an id that is none
 */
export function putsOf(entry: StateEntry, { nowMs, droppedBy }: ImportTerms): readonly ImportPut[] {
  const put = (key: string, value: string, expires = false): ImportPut => ({ put: key, value, expires })
  switch (entry.kind) {
    case 'agent': {
      const { agentId, agent, lastSeenAt, fence } = entry
      const since = new Date(nowMs).toISOString()
      return [
        put(keys.agent(agentId), agentRecord.serialize(agent)),
        put(keys.status(agentId), statusRecord.serialize({ health: 'offline', since, lastSeenAt })),
        ...(fence === undefined ? [] : [put(keys.fence(agentId), fenceRecord.serialize(fence))]),
      ]
    }
    case 'key':
      return [put(keys.agentKey(entry.agentId, entry.keyId), agentKeyRecord.serialize(entry.key))]
    case 'open-command': {
      const { command, payload } = entry
      const { agentId, commandId } = command
      const payloadText = payloadRecord.serialize({ payload })
      if (droppedBy === undefined) {
        return [
          put(keys.openCommand(agentId, commandId), openCommandRecord.serialize(command)),
          put(keys.commandPayload(agentId, commandId), payloadText),
        ]
      }
      const done = endedWithoutAgent({ ...command, cancelRequestedBy: droppedBy }, 'cancelled', nowMs)
      return [
        put(keys.doneCommand(agentId, commandId), doneCommandRecord.serialize(done), true),
        put(keys.commandPayload(agentId, commandId), payloadText, true),
      ]
    }
    case 'done-command': {
      const { command, payload } = entry
      const { agentId, commandId } = command
      return [
        put(keys.doneCommand(agentId, commandId), doneCommandRecord.serialize(command), true),
        put(keys.commandPayload(agentId, commandId), payloadRecord.serialize({ payload }), true),
      ]
    }
    case 'token':
      return [put(keys.token(entry.tokenId), tokenRecord.serialize(entry.token))]
    case 'idempotency':
      return [put(keys.idempotency(entry.hash), idempotencyRecord.serialize(entry.idempotency), true)]
  }
}

/** Most keys of one transaction, and most bytes of their values, unless those of a single entry are larger. */
const mostPuts = 120
const mostBytes = 768 * 1024

/**
 * Entries as they are written together. Keys of one transaction are created at one revision, where ids decide which of
 * two open commands is the older one: such a batch holds them by id, and a command that stands after one with a larger
 * id begins another batch.
 */
export function batchesOf(
  entries: readonly { readonly entry: StateEntry; readonly puts: readonly ImportPut[] }[],
): readonly (readonly ImportPut[])[] {
  const batches: ImportPut[][] = []
  let batch: ImportPut[] = []
  let bytes = 0
  let lastOpen = ''
  for (const { entry, puts } of entries) {
    const size = puts.reduce((sum, { put, value }) => sum + put.length + Buffer.byteLength(value), 0)
    const open = entry.kind === 'open-command' ? keys.openCommand(entry.command.agentId, entry.command.commandId) : ''
    const isFull = batch.length + puts.length > mostPuts || bytes + size > mostBytes
    if (batch.length > 0 && (isFull || (open !== '' && open < lastOpen))) {
      batches.push(batch)
      ;[batch, bytes, lastOpen] = [[], 0, '']
    }
    batch.push(...puts)
    bytes += size
    if (open !== '') lastOpen = open
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
