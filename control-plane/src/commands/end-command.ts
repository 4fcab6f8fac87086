import type { Operation } from '../store/key-value.ts'
import { keys } from '../store/keys.ts'
import { type DoneCommand, doneCommandRecord } from './command-records.ts'

/** Told of each command that ended: its action, how, and the seconds since it was stored. */
export type ObserveEnd = (action: string, outcome: string, seconds: number) => void

/**
 * The steps that end a command: what is kept of it goes with the lease. Guard them with the open record. A command of
 * which the payload is gone, whoever removed it, ends as well.
 */
export function endCommand(done: DoneCommand, lease: bigint): readonly Operation[] {
  const { agentId, commandId } = done
  return [
    { delete: keys.openCommand(agentId, commandId) },
    { put: keys.doneCommand(agentId, commandId), value: doneCommandRecord.serialize(done), lease },
    { attach: keys.commandPayload(agentId, commandId), lease },
  ]
}

/** Tells an observer, if there is one, of a command that ended here. */
export function observeEnd(observe: ObserveEnd | undefined, done: DoneCommand): void {
  const seconds = (Date.parse(done.finishedAt) - Date.parse(done.createdAt)) / 1000
  // The clocks of two pods may disagree.
  observe?.(done.action, done.error?.code ?? done.state, Math.max(0, seconds))
}
