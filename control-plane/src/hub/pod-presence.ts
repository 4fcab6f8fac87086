import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@regent/runtime/logging/log.ts'
import { z } from 'zod'
import { StoreUnavailable } from '../store/errors.ts'
import { keys } from '../store/keys.ts'
import { record } from '../store/record.ts'
import type { Lease } from '../store/lease.ts'
import { isAborted } from '../store/retry.ts'
import type { Store } from '../store/store.ts'

/** At `keys.pod`, with the lease of that pod: a pod of the control plane, and how many agents it serves. */
export const podRecord = record(z.object({ pod: z.string(), connections: z.int().min(0), startedAt: z.iso.datetime() }))

/** How long etcd keeps what a pod that died left behind, in seconds. */
export const presenceSeconds = 15
const retryMs = 500

export interface PodPresenceOptions {
  readonly store: Pick<Store, 'lease' | 'transact'>
  readonly pod: { readonly name: string; readonly uid: string }
  /** How many agents are connected to this pod. */
  readonly connections: () => number
  /** How often their number is written where it changed, in milliseconds. @default 5000 */
  readonly writeEveryMs?: number
  /**
   * There is a lease, the first or one instead of a lease that was lost: what went with the former must be written
   * again with this one.
   */
  readonly onLease: (lease: Lease) => void
  readonly log: Log
}

/**
 * This pod in etcd: a lease with which everything goes that is true only while the pod lives. A lease that is lost is
 * replaced as soon as etcd grants another.
 */
export class PodPresence {
  readonly #options: PodPresenceOptions
  readonly #stop = new AbortController()
  readonly #startedAt = new Date().toISOString()
  #lease: Lease | undefined
  #running: Promise<void> | undefined

  constructor(options: PodPresenceOptions) {
    this.#options = options
  }

  /** The lease; `undefined` while there is none, because etcd is away. */
  get lease(): Lease | undefined {
    return this.#lease?.lost.aborted === false ? this.#lease : undefined
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Gives the lease back: everything that goes with it is deleted. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    try {
      await this.#lease?.revoke()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.#options.log.warn('presence-left', { seconds: presenceSeconds, error })
    }
  }

  async #run(): Promise<void> {
    const { store, log, onLease } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        // One that could not be written with is kept: it would be renewed for ever beside its successor.
        let { lease } = this
        if (lease === undefined) {
          lease = await store.lease(presenceSeconds, { signal })
          this.#lease = lease
          onLease(lease)
        }
        await this.#keepWritten(lease)
      } catch (error) {
        if (isAborted(signal)) return
        log.warn('presence-unwritten', { error: error as Error })
        await pause(retryMs * (1 + Math.random()), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Writes how many agents are connected whenever that has changed, until the lease or the pod ends. */
  async #keepWritten(lease: Lease): Promise<void> {
    const { store, pod, connections, writeEveryMs = 5_000 } = this.#options
    const ended = AbortSignal.any([lease.lost, this.#stop.signal])
    let written: number | undefined
    while (!ended.aborted) {
      const now = connections()
      if (now !== written) {
        const value = podRecord.serialize({ pod: pod.name, connections: now, startedAt: this.#startedAt })
        await store.transact(
          { when: [], then: [{ put: keys.pod(pod.uid), value, lease: lease.id }] },
          { signal: ended },
        )
        written = now
      }
      await pause(writeEveryMs, undefined, { signal: ended }).catch(() => undefined)
    }
  }
}
