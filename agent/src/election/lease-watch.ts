import { EventEmitter } from 'node:events'
import type { ApiServer } from './api-server.ts'
import { Backoff, rewatchBackoff } from './backoff.ts'
import { systemClock } from './clock.ts'
import { leaseCollection } from './lease-client.ts'
import { type LeaseRecord, parseLease } from './lease-record.ts'
import { Watch } from './watch.ts'

interface LeaseWatchEvents {
  lease: [LeaseRecord]
  deleted: [version: bigint | undefined]
  bookmark: []
  /** What happened meanwhile is not told: the Lease must be read. */
  missed: []
  restarted: [reason: string]
}

/** The watch on one Lease, kept up: at once where it ended, with backoff where it fails. */
export class LeaseWatch extends EventEmitter<LeaseWatchEvents> {
  readonly #watch: Watch
  readonly #backoff = new Backoff(rewatchBackoff)
  #timer: NodeJS.Timeout | undefined

  constructor(api: ApiServer, lease: { readonly namespace: string; readonly name: string }) {
    super()
    this.#watch = new Watch(api, {
      path: leaseCollection(lease.namespace),
      fieldSelector: `metadata.name=${lease.name}`,
    })
    this.#watch.on('answered', () => this.#backoff.began(now()))
    this.#watch.on('bookmark', () => this.emit('bookmark'))
    this.#watch.on('event', ({ type, object }) => {
      const record = parseLease(object)
      if (type === 'DELETED') this.emit('deleted', record?.version)
      else if (record) this.emit('lease', record)
    })
    this.#watch.on('ended', ({ reason }) => {
      const isGone = reason === 'gone'
      if (isGone) this.emit('missed')
      this.#again(isGone ? undefined : this.#watch.resourceVersion, reason)
    })
  }

  /** Tells first what there is, then every change. */
  start(): void {
    this.#watch.start()
  }

  /** The watch stands and tells nothing: another one, from what there is now. */
  restart(): void {
    clearTimeout(this.#timer)
    this.emit('restarted', 'silent')
    this.#watch.start()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch.close()
  }

  #again(version: string | undefined, reason: string): void {
    this.emit('restarted', reason)
    this.#timer = setTimeout(() => this.#watch.start(version), this.#backoff.nextDelayMs(now()))
  }
}

function now(): number {
  return systemClock.now().monotonicMs
}
