import type { Message } from '../../../control-plane/src/store/protocol-types.ts'
import { calls } from '../../../control-plane/src/store/protocol.ts'
import { EtcdError, errors } from './etcd-error.ts'
import { type Event, KeySpace } from './key-space.ts'
import { WatchedPart } from './watched-part.ts'

/** Where the time comes from. */
export interface EtcdTime {
  after(ms: number, run: () => void): void
  random(): number
}

/** etcd's own bound: no lease is shorter. */
const shortestLeaseSeconds = 2n

/**
 * etcd as its API shows it, in one process and in simulated time: transactions, ranges at old revisions, leases,
 * watches, compaction. `test/simulation/etcd/etcd.api.test.ts` compares its answers with the real one's.
 *
 * What it does not have: members, elections, permissions, and watches that are told their progress unasked.
 */
export class SimulatedEtcd {
  /**
   * Room below its quota. `passed`: what takes some is refused, and done all the same as often as not, as the real one
   * does until its alarm is on. `none`: the alarm is on.
   */
  room: 'left' | 'passed' | 'none' = 'left'
  readonly keys = new KeySpace((id) => this.#leases.has(id))
  readonly #time: EtcdTime
  /** By lease: its length, and how often it was renewed. */
  readonly #leases = new Map<bigint, { readonly seconds: bigint; renewals: number }>()
  readonly #watches = new Set<WatchedPart>()
  readonly #onChange: (events: readonly Event[]) => void
  #told = 0

  constructor(time: EtcdTime, onChange: (events: readonly Event[]) => void = () => undefined) {
    this.#time = time
    this.#onChange = onChange
  }

  /** One call and its answer. @throws EtcdError */
  unary(path: string, request: object): object {
    switch (path) {
      case calls.range.path: {
        const answer = this.keys.range(request)
        return { ...answer, header: this.#header }
      }
      case calls.transact.path: {
        const write = (): object => {
          const { succeeded, responses } = this.keys.transact(request)
          this.#changed()
          return { header: this.#header, succeeded, responses }
        }
        return takesRoom(request) ? this.#inRoom(write) : write()
      }
      case calls.grantLease.path:
        return this.#inRoom(() => this.#grant(request))
      case calls.revokeLease.path:
        return this.#revoke(request)
      default:
        throw new Error(`the simulated etcd has no ${path}`)
    }
  }

  /** What is left of a lease once it was renewed: 0 where there is none. */
  renew({ id = 0n }: Message<'LeaseKeepAliveRequest'>): { readonly id: bigint; readonly ttl: bigint } {
    const lease = this.#leases.get(id)
    if (lease === undefined) return { id, ttl: 0n }
    lease.renewals += 1
    this.#expireLater(id)
    return { id, ttl: lease.seconds }
  }

  /** Begins to watch. @param tell given every message; whoever is told nothing any more closes the watch */
  watch(request: Message<'WatchCreateRequest'>, tell: (response: object) => void): WatchedPart {
    const watch = new WatchedPart(this.keys, request, tell)
    this.#watches.add(watch)
    watch.begin()
    return watch
  }

  unwatch(watch: WatchedPart): void {
    this.#watches.delete(watch)
  }

  #inRoom(write: () => object): object {
    if (this.room === 'left') return write()
    if (this.room === 'passed' && this.#time.random() < 0.5) write()
    throw new EtcdError(errors.noSpace)
  }

  get #header() {
    return { revision: this.keys.revision }
  }

  #grant({ ttl = 0n }: Message<'LeaseGrantRequest'>): object {
    const seconds = ttl < shortestLeaseSeconds ? shortestLeaseSeconds : ttl
    let id = 0n
    while (id === 0n || this.#leases.has(id)) id = BigInt(Math.floor(this.#time.random() * Number.MAX_SAFE_INTEGER))
    this.#leases.set(id, { seconds, renewals: 0 })
    this.#expireLater(id)
    return { id, ttl: seconds }
  }

  #revoke({ id = 0n }: Message<'LeaseRevokeRequest'>): object {
    if (!this.#leases.delete(id)) throw new EtcdError(errors.leaseNotFound)
    this.keys.expire(id)
    this.#changed()
    return {}
  }

  #expireLater(id: bigint): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    const { renewals, seconds } = lease
    // Never early, and up to a second late.
    this.#time.after(Number(seconds) * 1000 + this.#time.random() * 1000, () => {
      if (this.#leases.get(id)?.renewals !== renewals) return
      this.#leases.delete(id)
      this.keys.expire(id)
      this.#changed()
    })
  }

  #changed(): void {
    const { log } = this.keys
    if (log.length === this.#told) return
    const events = log.slice(this.#told)
    this.#told = log.length
    this.#onChange(events)
    for (const watch of this.#watches) watch.changed(events)
  }
}

/** Whether it puts anything, in whichever branch. */
function takesRoom({ success = [], failure = [] }: Message<'TxnRequest'>): boolean {
  return [...success, ...failure].some(
    ({ requestPut, requestTxn }) => requestPut !== undefined || (requestTxn !== undefined && takesRoom(requestTxn)),
  )
}
