import { agentId, largestPayloadBytes } from '@regent/contract/api.ts'
import { deepestPayload, isJson } from '@regent/contract/messages.ts'
import { z } from 'zod'
import { type AgentRecord, agentRecord, type FenceRecord, fenceRecord } from '../agents/agent-records.ts'
import {
  type DoneCommand,
  doneCommandRecord,
  idempotencyRecord,
  type OpenCommand,
  openCommandRecord,
  type Payload,
  payloadRecord,
} from '../commands/command-records.ts'
import { agentKeyRecord } from '../identity/agent-keys.ts'
import { tokenRecord } from '../identity/people-tokens.ts'
import { UnreadableRecord } from '../store/errors.ts'
import type { RecordType } from '../store/record.ts'

/** What a record type holds. */
type ValueOf<Type> = Type extends RecordType<infer Value> ? Value : never

/**
 * An entry of a state: what one line between header and trailer holds.
 *
 * In it is what must outlive a store: agents with the newest leadership of each, which an import must not forget; keys
 * and tokens, of which there are hashes alone; commands, open and ended; and keys of idempotency, so that a request
 * that is repeated after a move makes no second command. Not in it: connections and pods, which are there again as soon
 * as pods and agents are; how agents are, which nobody knows before they connect.
 */
export type StateEntry =
  | {
      readonly kind: 'agent'
      readonly agentId: string
      readonly agent: AgentRecord
      readonly lastSeenAt?: string | undefined
      readonly fence?: FenceRecord | undefined
    }
  | {
      readonly kind: 'key'
      readonly agentId: string
      readonly keyId: string
      readonly key: ValueOf<typeof agentKeyRecord>
    }
  | { readonly kind: 'open-command'; readonly command: OpenCommand; readonly payload: Payload }
  | { readonly kind: 'done-command'; readonly command: DoneCommand; readonly payload: Payload }
  | { readonly kind: 'token'; readonly tokenId: string; readonly token: ValueOf<typeof tokenRecord> }
  | {
      readonly kind: 'idempotency'
      readonly hash: string
      readonly idempotency: ValueOf<typeof idempotencyRecord>
    }

/** Levels of JSON around what a command carries. */
const levelsAround = 3
const secretId = z.string().regex(/^[a-z0-9]{8,32}$/)
const json = z.unknown()

const entryLine = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('agent'),
    agentId,
    agent: json,
    lastSeenAt: z.iso.datetime().optional(),
    fence: json.optional(),
  }),
  z.strictObject({ kind: z.literal('key'), agentId, keyId: secretId, key: json }),
  z.strictObject({ kind: z.literal('open-command'), command: json, payload: json }),
  z.strictObject({ kind: z.literal('done-command'), command: json, payload: json }),
  z.strictObject({ kind: z.literal('token'), tokenId: secretId, token: json }),
  z.strictObject({ kind: z.literal('idempotency'), hash: z.string().regex(/^[0-9a-f]{64}$/), idempotency: json }),
])

/** An entry as a line of a state, without its end. Every record has the number of its schema, as it has in the store. */
export function entryText(entry: StateEntry): string {
  switch (entry.kind) {
    case 'agent': {
      const { kind, agentId, agent, lastSeenAt, fence } = entry
      return textOf(
        { kind, agentId, lastSeenAt },
        { agent: agentRecord.serialize(agent), ...(fence && { fence: fenceRecord.serialize(fence) }) },
      )
    }
    case 'key': {
      const { key, ...plain } = entry
      return textOf(plain, { key: agentKeyRecord.serialize(key) })
    }
    case 'open-command':
      return commandText(entry.kind, openCommandRecord.serialize(entry.command), entry.payload)
    case 'done-command':
      return commandText(entry.kind, doneCommandRecord.serialize(entry.command), entry.payload)
    case 'token': {
      const { token, ...plain } = entry
      return textOf(plain, { token: tokenRecord.serialize(token) })
    }
    case 'idempotency': {
      const { idempotency, ...plain } = entry
      return textOf(plain, { idempotency: idempotencyRecord.serialize(idempotency) })
    }
  }
}

function commandText(kind: StateEntry['kind'], command: string, payload: Payload): string {
  return textOf({ kind }, { command, payload: payloadRecord.serialize({ payload }) })
}

/** @param records JSON already, by the name of the field */
function textOf(plain: object, records: Readonly<Record<string, string>>): string {
  const fields = Object.entries(records).map(([name, text]) => `,"${name}":${text}`)
  return `${JSON.stringify(plain).slice(0, -1)}${fields.join('')}}`
}

/** A line of a state, or in words what is wrong with it. Never with what it holds: that may be a person's. */
export function readEntry(line: string): { readonly entry: StateEntry } | { readonly problem: string } {
  let found: unknown
  try {
    found = JSON.parse(line)
  } catch {
    return { problem: 'expected JSON, got something else; the file is damaged' }
  }
  if (!isJson(found, deepestPayload + levelsAround)) return { problem: 'nested deeper than any record is' }
  const parsed = entryLine.safeParse(found)
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path }) => path.join('.') || 'the line')
    return { problem: `no entry of a state that is known here: ${[...new Set(fields)].slice(0, 10).join(', ')}` }
  }
  try {
    const entry = entryOf(parsed.data)
    const problem = contradictionIn(entry)
    return problem === undefined ? { entry } : { problem }
  } catch (error) {
    if (!(error instanceof UnreadableRecord)) throw error
    return { problem: error.message }
  }
}

/** @throws UnreadableRecord */
function entryOf(line: z.infer<typeof entryLine>): StateEntry {
  switch (line.kind) {
    case 'agent': {
      const { kind, agentId, lastSeenAt } = line
      return {
        ...{ kind, agentId, agent: agentRecord.fromJson('agent', line.agent), lastSeenAt },
        fence: line.fence === undefined ? undefined : fenceRecord.fromJson('fence', line.fence),
      }
    }
    case 'key':
      return { ...line, key: agentKeyRecord.fromJson('key', line.key) }
    case 'open-command': {
      const { payload } = payloadRecord.fromJson('payload', line.payload)
      return { kind: line.kind, command: openCommandRecord.fromJson('command', line.command), payload }
    }
    case 'done-command': {
      const { payload } = payloadRecord.fromJson('payload', line.payload)
      return { kind: line.kind, command: doneCommandRecord.fromJson('command', line.command), payload }
    }
    case 'token':
      return { ...line, token: tokenRecord.fromJson('token', line.token) }
    case 'idempotency':
      return { ...line, idempotency: idempotencyRecord.fromJson('idempotency', line.idempotency) }
  }
}

/** What no record can be by itself, in words. */
function contradictionIn(entry: StateEntry): string | undefined {
  if (!('payload' in entry)) return undefined
  const bytes = Buffer.byteLength(JSON.stringify(entry.payload))
  return bytes > largestPayloadBytes
    ? `payload: expected at most ${largestPayloadBytes} bytes, got ${bytes}; no command carries so much`
    : undefined
}
