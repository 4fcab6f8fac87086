import type { OpenCommand } from '../../src/commands/command-records.ts'
import type { OpenEntry } from '../../src/commands/open-commands.ts'

/** When the commands of the tests were made, in milliseconds since 1970. */
export const madeAtMs = Date.parse('2026-01-01T00:00:00Z')

/** An open command that waits, a minute before its deadline when it is made. */
export function openCommand(commandId: string, changes: Partial<OpenCommand> = {}): OpenCommand {
  return {
    agentId: 'some-agent',
    commandId,
    action: 'describe',
    target: 'agent',
    createdAt: new Date(madeAtMs).toISOString(),
    createdBy: 'somebody',
    deadlineAt: new Date(madeAtMs + 60_000).toISOString(),
    payloadBytes: 2,
    state: 'queued',
    deliveries: 0,
    ...changes,
  }
}

/** An open command with its revisions. */
export function openEntry(revision: number, changes: Partial<OpenCommand> = {}): OpenEntry {
  return {
    command: openCommand(`c${revision}`, changes),
    createRevision: BigInt(revision),
    modRevision: BigInt(revision),
  }
}
