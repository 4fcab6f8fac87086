import { type AgentMessage, mostDeliveries } from '@regent/contract/messages.ts'
import { largestValueBytes } from '../store/transaction-size.ts'
import type { DoneCommand, OpenCommand } from './command-records.ts'

/** What an agent says of a command that it has tried. */
export type Outcome = Extract<AgentMessage, { readonly type: 'done' | 'failed' }>

/** First pause before a command is tried again, in milliseconds; it doubles. */
const firstRetryMs = 1000

/**
 * Largest result that is kept, as JSON, in bytes: what else a record says of a command has room beside it. A message
 * of an agent is smaller, but numbers may be longer once they are written again: `1e20` has 21 digits.
 */
export const largestResultBytes = largestValueBytes - 64 * 1024

/** What becomes of a command after an outcome: it has ended, or it is tried again. */
export type Ending =
  { readonly kind: 'ended'; readonly done: DoneCommand } | { readonly kind: 'again'; readonly open: OpenCommand }

/** What becomes of a command of which the agent told the outcome. */
export function endingOf(command: OpenCommand, outcome: Outcome, epoch: string, nowMs: number): Ending {
  const finishedAt = isoTime(nowMs)
  if (outcome.type === 'done') {
    const resultBytes = Buffer.byteLength(JSON.stringify(outcome.result))
    if (resultBytes <= largestResultBytes) {
      return ended(command, { state: 'done', result: outcome.result, finishedAt, epoch })
    }
    const message = `it was done, but its result cannot be kept: expected at most ${largestResultBytes} bytes of JSON, got ${resultBytes}`
    return ended(command, { state: 'failed', error: { code: 'failed', message }, finishedAt, epoch })
  }
  const mayTryAgain =
    outcome.retryable &&
    command.cancelRequestedBy === undefined &&
    command.deliveries < mostDeliveries &&
    Date.parse(command.deadlineAt) > nowMs
  if (mayTryAgain) {
    const waitMs = firstRetryMs * 2 ** Math.max(0, command.deliveries - 1)
    return { kind: 'again', open: { ...command, state: 'queued', notBefore: isoTime(nowMs + waitMs) } }
  }
  const code = command.cancelRequestedBy === undefined ? 'failed' : 'cancelled'
  return ended(command, { state: 'failed', error: { code, message: outcome.error }, finishedAt, epoch })
}

/** The record of a command that ended without the agent. */
export function endedWithoutAgent(
  command: OpenCommand,
  as: 'expired' | 'cancelled' | 'poisoned',
  nowMs: number,
): DoneCommand {
  const begun = command.deliveries === 0 ? '' : '; it may have taken effect all the same'
  const messages = {
    expired: `it had no result by its deadline${begun}`,
    cancelled: `cancelled by ${command.cancelRequestedBy ?? 'an operator'}${begun}`,
    poisoned: `it was delivered ${command.deliveries} times, and each time its executor ended without a result`,
  }
  const { done } = ended(command, {
    state: as === 'poisoned' ? 'poisoned' : 'failed',
    error: { code: as, message: messages[as] },
    finishedAt: isoTime(nowMs),
  })
  return done
}

function ended(
  command: OpenCommand,
  end: Pick<DoneCommand, 'state' | 'finishedAt' | 'result' | 'error' | 'epoch'>,
): { readonly kind: 'ended'; readonly done: DoneCommand } {
  // What only an open command has is dropped by the schema of the record.
  return { kind: 'ended', done: { ...command, ...end } }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
