import type { CommandMessage } from './scripted-control-plane.ts'

/** A command, with what a test does not care about. */
export function command(commandId: string, more: Partial<CommandMessage> = {}): CommandMessage {
  return {
    type: 'command',
    commandId,
    target: 'a',
    action: 'hold',
    payload: { name: commandId },
    delivery: 1,
    deadlineSeconds: 60,
    ...more,
  }
}
