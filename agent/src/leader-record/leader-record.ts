import { setTimeout as pause } from 'node:timers/promises'
import type { LeaderWork } from '../election/leader-work.ts'
import { type Leadership, NotLeading } from '../election/leadership.ts'
import { refusalIn } from '../kubernetes/api-refusal.ts'
import { Fenced, fencedWrite } from '../kubernetes/fenced-write.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { leaderEvent } from './leader-event.ts'
import type { LeaseEvents } from './lease-events.ts'

/**
 * From the begin of a leadership until its Event is written, in milliseconds. Loading the Kubernetes client stops
 * everything else for a tenth of a second, and registering at the control plane is what people wait for.
 */
const defaultDelayMilliseconds = 1000
/** Waits before another attempt to write the Event, in milliseconds. Then it is given up: it is a record, no effect. */
const defaultRetriesMilliseconds = [500, 2000]

export interface LeaderRecordOptions {
  readonly leaseName: string
  readonly leaseNamespace: string
  /** Loads the Kubernetes client and connects it. Asked once, by the first leadership that lasts. */
  readonly connect: () => Promise<LeaseEvents>
  readonly metrics: { countFenced(by: 'admission'): void }
  readonly log: Pick<Log, 'debug' | 'warn'>
  /** @default 1 s */
  readonly delayMilliseconds?: number
  /** @default 0.5 and 2 s */
  readonly retriesMilliseconds?: readonly number[]
}

/**
 * The record of leaderships for people: an Event on the Lease when one begins, with its epoch, why the one before
 * ended, and how long the takeover took.
 *
 * An Event that cannot be written is logged and given up; it never costs the leadership. One that lasts for less than
 * a second has none. What must be found on the Lease itself is written by the elector with its renewals.
 */
export class LeaderRecord implements LeaderWork {
  readonly name = 'leader-record'
  readonly #options: LeaderRecordOptions
  #events: Promise<LeaseEvents> | undefined

  constructor(options: LeaderRecordOptions) {
    this.#options = options
  }

  async lead(leadership: Leadership): Promise<void> {
    const over = AbortSignal.any([leadership.signal, leadership.draining])
    const told = new Promise<void>((resolve) => {
      if (over.aborted) resolve()
      else over.addEventListener('abort', () => resolve(), { once: true })
    })
    await pause(this.#options.delayMilliseconds ?? defaultDelayMilliseconds, undefined, { signal: over }).catch(
      () => undefined,
    )
    if (!over.aborted) await this.#record(leadership, over)
    await told
  }

  async #record(leadership: Leadership, over: AbortSignal): Promise<void> {
    const { log, retriesMilliseconds } = this.#options
    const { epoch } = leadership
    for (const wait of [...(retriesMilliseconds ?? defaultRetriesMilliseconds), undefined]) {
      try {
        await this.#write(leadership)
        log.debug('leader-event-written', { epoch })
        return
      } catch (error) {
        // Its name follows from the epoch: an attempt whose answer was lost, or one of before a suspension.
        if (refusalIn(error)?.reason === 'AlreadyExists') return
        if (error instanceof NotLeading || leadership.signal.aborted) return
        const gaveUp = wait === undefined || over.aborted || error instanceof Fenced
        log.warn('leader-event-failed', { epoch, error: refusalIn(error)?.message ?? String(error), gaveUp })
        if (gaveUp) return
        await pause(wait, undefined, { signal: over }).catch(() => undefined)
      }
    }
  }

  async #write(leadership: Leadership): Promise<void> {
    const { leaseName, leaseNamespace, metrics } = this.#options
    const events = await this.#connected()
    const uid = await events.uid(leadership.signal)
    const event = leaderEvent(leadership, { name: leaseName, namespace: leaseNamespace, uid })
    await fencedWrite(leadership, metrics, (signal) => events.create(event, signal))
  }

  async #connected(): Promise<LeaseEvents> {
    this.#events ??= this.#options.connect()
    try {
      return await this.#events
    } catch (error) {
      this.#events = undefined
      throw error
    }
  }
}
