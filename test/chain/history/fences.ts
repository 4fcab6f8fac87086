import { fieldOf, type StoreChange, textOf, type Violation } from './history.ts'

/** Who spoke for an agent from one revision on. */
export interface Fence {
  readonly lineage: string
  readonly epoch: bigint
  readonly holder: string
  readonly connectionId: string
}

/** The fences of a run, revision by revision. */
export class Fences {
  readonly #current = new Map<string, Fence>()

  /** Who speaks for the agent now. */
  of(agentId: string): Fence | undefined {
    return this.#current.get(agentId)
  }

  /** Takes in a change; others than those of fences are ignored. */
  apply({ key, value, revision }: StoreChange): readonly Violation[] {
    const [kind, agentId = ''] = key.split('/')
    if (kind !== 'fences') return []
    const before = this.#current.get(agentId)
    if (value === undefined) {
      this.#current.delete(agentId)
      return []
    }
    const after: Fence = {
      lineage: textOf(value, 'lineage'),
      epoch: BigInt(textOf(value, 'epoch')),
      holder: textOf(value, 'holder'),
      connectionId: textOf(value, 'connectionId'),
    }
    this.#current.set(agentId, after)
    if (before === undefined) return []
    const at = `revision ${revision}, agent ${agentId}: ${shown(before)}, then ${shown(after)}`
    if (after.lineage !== before.lineage)
      return [{ invariant: 'fence', what: `another lineage without a reset: ${at}` }]
    if (after.epoch < before.epoch) return [{ invariant: 'fence', what: `the epoch went back: ${at}` }]
    if (after.epoch === before.epoch && after.holder !== before.holder) {
      return [{ invariant: 'fence', what: `two holders of one epoch: ${at}` }]
    }
    return []
  }
}

/** The connection and the epoch in whose name a change of a command was written; nothing where it names none. */
export function deliveryOf(value: unknown): { readonly connectionId: string; readonly epoch: bigint } | undefined {
  const delivery = fieldOf(value, 'lastDelivery')
  if (delivery === undefined) return undefined
  return { connectionId: textOf(delivery, 'connectionId'), epoch: BigInt(textOf(delivery, 'epoch')) }
}

function shown({ epoch, holder }: Fence): string {
  return `epoch ${epoch} of ${holder}`
}
