import { deliveryOf, type Fences } from './fences.ts'
import { fieldOf, type StoreChange, textOf, type Violation } from './history.ts'

const mostDeliveries = 3

/** What became of one command. */
export interface CommandTrace {
  readonly commandId: string
  readonly target: string
  /** The revision that stored it. */
  readonly createdAt: number
  /** How it ended; absent while it is open. */
  ended?: { readonly revision: number; readonly state: string; readonly code: string | undefined }
  deliveries: number
  state: string
  /** The connection that it was given to last; absent before the first delivery. */
  connectionId: string | undefined
  /** Whether somebody asked to give it up. */
  isGivenUp: boolean
}

/** The commands of a run, revision by revision, judged against who spoke for their agent at that revision. */
export class CommandTraces {
  readonly traces = new Map<string, CommandTrace>()
  /** By command: the client's own key of the request that it was stored for, as its payload says. */
  readonly storedFor = new Map<string, string>()
  readonly #fences: Fences

  constructor(fences: Fences) {
    this.#fences = fences
  }

  /** Takes in a change; others than those of commands are ignored. */
  apply(change: StoreChange): readonly Violation[] {
    const [kind, part, agentId = '', commandId = ''] = change.key.split('/')
    if (kind !== 'commands' || change.value === undefined) return []
    if (part === 'open') return this.#open(change, agentId, commandId)
    const key = fieldOf(change.value, 'payload', 'key')
    if (part === 'payload' && typeof key === 'string') this.storedFor.set(commandId, key)
    return part === 'done' ? this.#done(change, agentId, commandId) : []
  }

  #open({ revision, value }: StoreChange, agentId: string, commandId: string): readonly Violation[] {
    const at = `revision ${revision}, command ${commandId}`
    const state = textOf(value, 'state')
    const deliveries = Number(fieldOf(value, 'deliveries'))
    const before = this.traces.get(commandId)
    if (before === undefined) {
      const target = textOf(value, 'target')
      const given = { connectionId: undefined, isGivenUp: false }
      this.traces.set(commandId, { commandId, target, createdAt: revision, deliveries, state, ...given })
      if (state === 'queued' && deliveries === 0) return []
      return [{ invariant: 'state', what: `it began as '${state}' with ${deliveries} deliveries: ${at}` }]
    }
    const violations: Violation[] = []
    if (before.ended !== undefined) violations.push({ invariant: 'state', what: `opened again after its end: ${at}` })
    if (deliveries < before.deliveries || deliveries > mostDeliveries) {
      violations.push({ invariant: 'state', what: `${before.deliveries} deliveries, then ${deliveries}: ${at}` })
    }
    const delivery = deliveryOf(value)
    // Whoever gives a command up speaks for no connection, and changes nothing else of it.
    const isSame = before.state === state && before.connectionId === delivery?.connectionId
    const isGivenUp = fieldOf(value, 'cancelRequestedBy') !== undefined
    const onlyGivesUp = isGivenUp && !before.isGivenUp && isSame && before.deliveries === deliveries
    Object.assign(before, { deliveries, state, isGivenUp, connectionId: delivery?.connectionId })
    if (state !== 'queued' && !onlyGivesUp) violations.push(...this.#mustSpeak('delivery', agentId, delivery, at))
    return violations
  }

  #done({ revision, value }: StoreChange, agentId: string, commandId: string): readonly Violation[] {
    const at = `revision ${revision}, command ${commandId}`
    const trace = this.traces.get(commandId)
    if (trace === undefined) return [{ invariant: 'state', what: `it ended without ever having been stored: ${at}` }]
    const violations: Violation[] = []
    if (trace.ended !== undefined) violations.push({ invariant: 'twice', what: `it ended twice: ${at}` })
    const state = textOf(value, 'state')
    const code = fieldOf(value, 'error', 'code')
    trace.ended = { revision, state, code: typeof code === 'string' ? code : undefined }
    const toldBy = fieldOf(value, 'epoch')
    if (typeof toldBy !== 'string') return violations
    // A leader may tell over another connection than the one that it was given the command by.
    const delivery = deliveryOf(value)
    const speaks = this.#fences.of(agentId)
    if (speaks?.epoch !== BigInt(toldBy)) {
      const who = speaks === undefined ? 'nobody' : `epoch ${speaks.epoch}`
      violations.push({ invariant: 'result', what: `told by epoch ${toldBy}, while ${who} speaks: ${at}` })
    }
    if (delivery?.epoch !== BigInt(toldBy)) {
      const by = delivery === undefined ? 'nobody' : `epoch ${delivery.epoch}`
      violations.push({ invariant: 'result', what: `told by epoch ${toldBy}, delivered by ${by}: ${at}` })
    }
    return violations
  }

  /** Whoever writes in the name of a connection must be who speaks for the agent at that very revision. */
  #mustSpeak(
    invariant: string,
    agentId: string,
    delivery: ReturnType<typeof deliveryOf>,
    at: string,
  ): readonly Violation[] {
    const fence = this.#fences.of(agentId)
    if (delivery === undefined) return [{ invariant, what: `in nobody's name: ${at}` }]
    if (fence?.connectionId === delivery.connectionId && fence.epoch === delivery.epoch) return []
    const speaks = fence === undefined ? 'nobody' : `connection ${fence.connectionId} of epoch ${fence.epoch}`
    return [
      {
        invariant,
        what: `by connection ${delivery.connectionId} of epoch ${delivery.epoch}, while ${speaks} speaks: ${at}`,
      },
    ]
  }
}
