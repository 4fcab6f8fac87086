import { ModelApiServer } from '../../../agent/test/election/model/api-server.ts'
import type { LeaseObject } from '../../../agent/src/election/lease-record.ts'
import type { Effect } from '../../chain/history/history.ts'
import type { Surroundings } from './simulated-process.ts'

export interface LeaseChange {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: LeaseObject
  readonly version: number
}

/** What an agent's action asks to have made. */
export interface WantedEffect {
  readonly commandId: string
  readonly target: string
  readonly epoch: bigint
  /** UID of the pod that asks, as its token says. */
  readonly podUid: string
}

export type EffectReply = { readonly status: 201 } | { readonly status: 403 | 409; readonly message: string }

/**
 * The API server: one Lease with its watches, and the objects that commands make, each under a name of its command.
 * Its admission fence lets only the pod write that holds the Lease, as our ValidatingAdmissionPolicy does.
 */
export class SimulatedApiServer {
  readonly lineage = 'cluster'
  readonly lease: ModelApiServer
  readonly effects: Effect[] = []
  /** How often an effect was asked for, by command. */
  readonly asked = new Map<string, number>()
  readonly changes: LeaseChange[] = []
  readonly #watches = new Set<(change: LeaseChange) => void>()
  readonly #made = new Set<string>()

  constructor(world: Surroundings, onTakeover: (holder: string, version: number) => void) {
    let before: LeaseObject | undefined
    this.lease = new ModelApiServer(
      () => world.events.nowMs,
      (lease, version) => {
        if (lease === undefined) this.#tell('DELETED', before, version)
        else this.#tell(before === undefined ? 'ADDED' : 'MODIFIED', lease, version)
        before = lease
        const last = this.lease.acquisitions.at(-1)
        if (last?.version === version) onTakeover(last.holder, version)
      },
    )
  }

  watch(tell: (change: LeaseChange) => void): () => void {
    this.#watches.add(tell)
    return () => this.#watches.delete(tell)
  }

  makeEffect({ commandId, target, epoch, podUid }: WantedEffect): EffectReply {
    this.asked.set(commandId, (this.asked.get(commandId) ?? 0) + 1)
    const [, holderUid] = this.lease.holder.split('_')
    if (holderUid !== podUid) return { status: 403, message: 'denied request: fenced: another pod holds the Lease' }
    if (this.#made.has(commandId)) return { status: 409, message: 'AlreadyExists' }
    this.#made.add(commandId)
    this.lease.version += 1
    this.effects.push({ version: BigInt(this.lease.version), commandId, target, epoch })
    return { status: 201 }
  }

  #tell(type: LeaseChange['type'], lease: LeaseObject | undefined, version: number): void {
    if (lease === undefined) return
    const metadata = { ...lease.metadata, resourceVersion: String(version) }
    const change = { type, object: { metadata, spec: lease.spec }, version }
    this.changes.push(change)
    for (const watch of this.#watches) watch(change)
  }
}
