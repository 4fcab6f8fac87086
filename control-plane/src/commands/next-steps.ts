import { mostDeliveries, mostUnderWay } from '@regent/contract/messages.ts'
import type { OpenCommand } from './command-records.ts'

/** Most bytes of payloads that are on their way to an agent and not yet received: well below its send buffer. */
export const mostUnreceivedBytes = 1024 * 1024

/** Through whom commands are delivered now. */
export interface Deliverer {
  readonly connectionId: string
  /** Who leads; together with the epoch one process of the agent. */
  readonly holder: string
  readonly epoch: string
}

/** What is to be done with a command, by a write that is guarded with the record that it was decided on. */
export type Step<Entry> =
  | { readonly kind: 'deliver'; readonly entry: Entry; readonly deliveries: number }
  | { readonly kind: 'end'; readonly entry: Entry; readonly as: 'expired' | 'cancelled' | 'poisoned' }

export interface NextSteps<Entry> {
  readonly steps: readonly Step<Entry>[]
  /** When time alone changes the answer, in milliseconds since 1970; `undefined` for never. */
  readonly wakeAtMs: number | undefined
}

/** Whether the command is with the agent by this connection. */
export function isUnderWay(command: OpenCommand, { connectionId }: Pick<Deliverer, 'connectionId'>): boolean {
  return command.state !== 'queued' && command.lastDelivery?.connectionId === connectionId
}

/**
 * What to do next with the open commands of an agent.
 *
 * - Of each target one command at a time, in the order of creation; {@link mostUnderWay} altogether, and not more of
 *   their payloads unreceived than {@link mostUnreceivedBytes}, unless a single one is larger.
 * - What an earlier connection delivered and nobody finished is delivered again. It counts as another delivery unless
 *   it is still the same leader, whose process has not ended: a connection that flaps poisons nothing. After
 *   {@link mostDeliveries} it is poisoned. Of those on their last delivery one is under way at a time: several that were
 *   together with the one that ends its executor would be poisoned with it.
 * - What is past its deadline, or was given up, is ended instead of being started; the same leader is asked all the
 *   same for what it may have begun.
 *
 * @param entries in the order of creation
 * @param accepts whether the agent takes new commands; what ends without it ends anyway
 */
export function nextSteps<Entry extends { readonly command: OpenCommand }>(
  entries: readonly Entry[],
  deliverer: Deliverer,
  { nowMs, accepts }: { readonly nowMs: number; readonly accepts: boolean },
): NextSteps<Entry> {
  const steps: Step<Entry>[] = []
  const underWay = entries.filter(({ command }) => isUnderWay(command, deliverer))
  const busy = new Set(underWay.map(({ command }) => command.target))
  let room = mostUnderWay - underWay.length
  let bytes = underWay.reduce(
    (sum, { command }) => sum + (command.state === 'dispatched' ? command.payloadBytes : 0),
    0,
  )
  let isLastUnderWay = entries.some(
    ({ command }) =>
      command.deliveries >= mostDeliveries &&
      (isUnderWay(command, deliverer) || (command.state !== 'queued' && isSameLeader(command, deliverer))),
  )
  let wakeAtMs = Infinity
  for (const entry of entries) {
    const { command } = entry
    if (isUnderWay(command, deliverer)) continue
    const isFirst = !busy.has(command.target)
    busy.add(command.target)
    const isResumed = command.state !== 'queued' && isSameLeader(command, deliverer)
    const as = isResumed ? undefined : endOf(command, nowMs)
    if (as !== undefined) {
      steps.push({ kind: 'end', entry, as })
      continue
    }
    if (!isResumed) wakeAtMs = Math.min(wakeAtMs, Date.parse(command.deadlineAt))
    if (!isFirst || !accepts || room <= 0) continue
    const notBeforeMs = command.notBefore === undefined ? 0 : Date.parse(command.notBefore)
    if (notBeforeMs > nowMs) {
      wakeAtMs = Math.min(wakeAtMs, notBeforeMs)
      continue
    }
    const deliveries = command.deliveries + (isResumed ? 0 : 1)
    if (!isResumed && deliveries >= mostDeliveries && isLastUnderWay) continue
    // Nothing overtakes a payload that has to wait for room.
    if (bytes > 0 && bytes + command.payloadBytes > mostUnreceivedBytes) room = 0
    if (room <= 0) continue
    room -= 1
    bytes += command.payloadBytes
    isLastUnderWay ||= deliveries >= mostDeliveries
    steps.push({ kind: 'deliver', entry, deliveries })
  }
  return { steps, wakeAtMs: wakeAtMs === Infinity ? undefined : wakeAtMs }
}

/** How a command that nobody works on has ended, if it has. */
function endOf(command: OpenCommand, nowMs: number): 'expired' | 'cancelled' | 'poisoned' | undefined {
  if (command.cancelRequestedBy !== undefined) return 'cancelled'
  if (command.deliveries >= mostDeliveries) return 'poisoned'
  return Date.parse(command.deadlineAt) <= nowMs ? 'expired' : undefined
}

function isSameLeader({ lastDelivery }: OpenCommand, { holder, epoch }: Deliverer): boolean {
  return lastDelivery?.holder === holder && lastDelivery.epoch === epoch
}
