import { type AgentMessage, agentMessage, largestMessageBytes } from '@regent/contract/messages.ts'
import { safeText } from '@regent/runtime/logging/safe-value.ts'

/** How a command ended, as it is counted. */
export const outcomes = [
  'done',
  /** It failed, and says why. */
  'failed',
  /** It was not worth starting any more. */
  'expired',
  /** A person gave it up. */
  'cancelled',
  /** Leading ended before it did. */
  'aborted',
  /** An action that nobody here knows, or a payload that does not fit it. */
  'rejected',
] as const
export type Outcome = (typeof outcomes)[number]

/** The end of a command, ready to be sent. */
export interface Result {
  readonly commandId: string
  readonly outcome: Outcome
  /** The message as it is sent. */
  readonly text: string
}

/** Longest text of an error that the protocol takes, in UTF-16 units. */
const longestError = 4096

/** A command that ended without a result. Secrets in the words are replaced. */
export function failure(
  commandId: string,
  words: string,
  { outcome = 'failed', retryable = false }: { readonly outcome?: Outcome; readonly retryable?: boolean } = {},
): Result {
  const error = safeText(words).slice(0, longestError)
  const message: AgentMessage = { type: 'failed', commandId, error, retryable }
  return { commandId, outcome, text: JSON.stringify(message) }
}

/** A command that gave this result; a failure where a message cannot hold it. */
export function success(commandId: string, result: unknown): Result {
  let text: string
  try {
    text = JSON.stringify({ type: 'done', commandId, result })
  } catch (error) {
    return failure(commandId, `the result cannot be written as JSON: ${String(error)}`)
  }
  const bytes = Buffer.byteLength(text)
  if (bytes > largestMessageBytes) {
    return failure(
      commandId,
      `the result has ${bytes} bytes, expected at most ${largestMessageBytes} with its envelope; ask for less of it`,
    )
  }
  // As the other side will read it: what is no JSON may have been left out, or written as something else.
  if (!agentMessage.safeParse(JSON.parse(text)).success) {
    return failure(commandId, 'the result is no JSON, or nested too deeply')
  }
  return { commandId, outcome: 'done', text }
}
