import { agentId, commandErrorCode, commandId, type CommandResource } from '@regent/contract/api.ts'
import { mostDeliveries } from '@regent/contract/messages.ts'
import { z } from 'zod'
import { record } from '../store/record.ts'

const time = z.iso.datetime()
const shortText = z.string().min(1).max(512)

/** What does not change, and what every state has. */
const common = {
  agentId,
  commandId,
  action: shortText,
  target: shortText,
  createdAt: time,
  createdBy: shortText,
  /** From then on it is not started any more. */
  deadlineAt: time,
  /** Size of the payload as JSON, in bytes. */
  payloadBytes: z.int().min(0),
  /** How many leaders, or tries of one leader, it was given to. */
  deliveries: z.int().min(0).max(mostDeliveries),
  /** Who asked to cancel it. */
  cancelRequestedBy: shortText.optional(),
  /** To whom it was sent last. */
  lastDelivery: z
    .object({ connectionId: shortText, holder: shortText, epoch: z.string().min(1).max(64), at: time })
    .optional(),
}

/** At `keys.openCommand`: a command that has no result yet. */
export const openCommandRecord = record(
  z.object({
    ...common,
    state: z.enum(['queued', 'dispatched', 'received']),
    /** Before that it is not sent again: its last try failed and asked for another. */
    notBefore: time.optional(),
  }),
)
export type OpenCommand = ReturnType<typeof openCommandRecord.parse>

/** At `keys.doneCommand`, for a day: how a command ended. */
export const doneCommandRecord = record(
  z.object({
    ...common,
    state: z.enum(['done', 'failed', 'poisoned']),
    finishedAt: time,
    result: z.json().optional(),
    error: z.object({ code: commandErrorCode, message: z.string() }).optional(),
    /** Of the leadership that told the result; absent where none did. */
    epoch: z.string().optional(),
  }),
)
export type DoneCommand = ReturnType<typeof doneCommandRecord.parse>

/** At `keys.commandPayload`, from the creation of a command until nothing is known of it any more. */
export const payloadRecord = record(z.object({ payload: z.json() }))
export type Payload = ReturnType<typeof payloadRecord.parse>['payload']

/** At `keys.idempotency`: the command that was made with a key of its principal. */
export const idempotencyRecord = record(z.object({ agentId, commandId, bodyHash: z.string() }))

/** A command as the API shows it. */
export function commandResource(command: OpenCommand | DoneCommand, payload: Payload): CommandResource {
  const { agentId, commandId, action, target, state, createdAt, createdBy, deadlineAt, deliveries } = command
  return {
    ...{ commandId, agentId, action, target, payload, state, createdAt, createdBy, deadlineAt, deliveries },
    cancelRequested: command.cancelRequestedBy !== undefined,
    ...('finishedAt' in command ? { finishedAt: command.finishedAt } : {}),
    ...('result' in command && command.result !== undefined ? { result: command.result } : {}),
    ...('error' in command && command.error !== undefined ? { error: command.error } : {}),
  }
}
