import { EventEmitter } from 'node:events'
import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'
import { forbidden } from './answer.ts'
import type { ApiServer } from './api-server.ts'
import { Backoff, rewatchBackoff } from './backoff.ts'
import { systemClock } from './clock.ts'
import { leaseCollection } from './lease-client.ts'
import { type LeaseRecord, parseLease } from './lease-record.ts'
import { Watch, type WatchEnd } from './watch.ts'

interface LeaseWatchEvents {
  lease: [LeaseRecord]
  deleted: [version: bigint | undefined]
  bookmark: []
  /** What happened meanwhile is not told: the Lease must be read. */
  missed: []
  /** The API server lets this replica watch. */
  accepted: []
  /** It does not, in words that say what to allow. */
  refused: [why: string]
  restarted: [reason: string, why: string]
}

export interface LeaseWatchOptions {
  /** How long to wait after a refusal that only a person can mend, in seconds. @default 30 */
  readonly refusedSeconds?: number
}

/** The watch on one Lease, kept up: at once where it ended, with backoff where it fails, rarely where it is refused. */
export class LeaseWatch extends EventEmitter<LeaseWatchEvents> {
  readonly #watch: Watch
  readonly #lease: { readonly namespace: string; readonly name: string }
  readonly #refusedMs: number
  readonly #backoff = new Backoff(rewatchBackoff)
  #timer: NodeJS.Timeout | undefined

  constructor(
    api: ApiServer,
    lease: { readonly namespace: string; readonly name: string },
    options: LeaseWatchOptions = {},
  ) {
    super()
    this.#lease = lease
    this.#refusedMs = (options.refusedSeconds ?? 30) * 1000
    this.#watch = new Watch(api, {
      path: leaseCollection(lease.namespace),
      fieldSelector: `metadata.name=${lease.name}`,
    })
    this.#watch.on('answered', () => {
      this.#backoff.began(now())
      this.emit('accepted')
    })
    this.#watch.on('bookmark', () => this.emit('bookmark'))
    this.#watch.on('event', ({ type, object }) => {
      const record = parseLease(object)
      if (type === 'DELETED') this.emit('deleted', record?.version)
      else if (record) this.emit('lease', record)
    })
    this.#watch.on('ended', (end) => this.#ended(end))
  }

  /** Tells first what there is, then every change. */
  start(): void {
    this.#watch.start()
  }

  /** The watch stands and tells nothing: another one, from what there is now. */
  restart(): void {
    clearTimeout(this.#timer)
    this.emit('restarted', 'silent', 'the Lease has changed and the watch told nothing')
    this.#watch.start()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch.close()
  }

  #ended({ reason, why }: WatchEnd): void {
    const words = foreignWords(why)
    const isRefused = reason === 'forbidden'
    const isGone = reason === 'gone'
    const version = isGone ? undefined : this.#watch.resourceVersion
    const delayMs = this.#backoff.nextDelayMs(now())
    // Before anything is told: whoever listens may close this.
    this.#timer = setTimeout(() => this.#watch.start(version), isRefused ? this.#refusedMs : delayMs)
    const { namespace: leaseNamespace, name: leaseName } = this.#lease
    if (isRefused) this.emit('refused', forbidden({ verb: 'watch', leaseName, leaseNamespace }, words))
    if (isGone) this.emit('missed')
    this.emit('restarted', reason, words)
  }
}

function now(): number {
  return systemClock.now().monotonicMs
}
