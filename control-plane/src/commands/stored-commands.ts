import type { CommandResource } from '@regent/contract/api.ts'
import type { KeyValue, OperationResult } from '../store/key-value.ts'
import { keys } from '../store/keys.ts'
import { commandResource, doneCommandRecord, openCommandRecord, payloadRecord } from './command-records.ts'

/** A command as it is stored. At most one of `open` and `done` is there. */
export interface StoredCommand {
  readonly open: KeyValue | undefined
  readonly done: KeyValue | undefined
  readonly payload: KeyValue | undefined
}

/** The steps that read a command; {@link storedIn} takes their results. */
export function readCommand(agentId: string, commandId: string) {
  return [keys.openCommand, keys.doneCommand, keys.commandPayload].map((key) => ({ get: key(agentId, commandId) }))
}

/** The commands that the steps of {@link readCommand} found, in their order. */
export function storedIn(results: readonly OperationResult[]): readonly StoredCommand[] {
  const found = results.map((result) => (result.kind === 'get' ? result.items[0] : undefined))
  return Array.from({ length: found.length / 3 }, (_, index) => {
    const [open, done, payload] = found.slice(3 * index, 3 * index + 3)
    return { open, done, payload }
  })
}

/**
 * A stored command as the API shows it; `undefined` where there is none.
 * @throws UnreadableRecord
 */
export function resourceOf({ open, done, payload }: StoredCommand): CommandResource | undefined {
  if (payload === undefined) return undefined
  if (open !== undefined) return commandResource(openCommandRecord.parse(open), payloadRecord.parse(payload).payload)
  if (done !== undefined) return commandResource(doneCommandRecord.parse(done), payloadRecord.parse(payload).payload)
  return undefined
}
