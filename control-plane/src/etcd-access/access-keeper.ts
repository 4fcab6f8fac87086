import { setTimeout as pause } from 'node:timers/promises'
import type { EtcdUser } from '@regent/contract/etcd-users.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { isAborted, Retry } from '../store/retry.ts'
import { type Change, describeChange } from './changes.ts'
import type { EtcdAccess } from './etcd-access.ts'

/** How often etcd is looked at while everything is as declared, in milliseconds. */
const defaultEveryMs = 60_000
/** Longest that one look may take with all of its changes, in milliseconds. */
const roundMs = 30_000
/** After so many looks without an answer nothing is known any more. */
const freshLooks = 3
/** A failure that goes on is logged so often, in milliseconds. */
const complainEveryMs = 30_000

export interface AccessKeeperOptions {
  readonly access: Pick<EtcdAccess, 'converge'>
  readonly declared: readonly EtcdUser[]
  /** Throws where nothing may be changed. */
  readonly mayChange: () => Promise<void>
  readonly log: Log
  /** @default nobody */
  readonly onChange?: (change: Change) => void
  /** How often etcd is looked at, in milliseconds. @default 60 000 */
  readonly everyMs?: number
  /** Monotonic, in milliseconds. */
  readonly nowMs?: () => number
}

/**
 * Keeps etcd's users and roles as declared: looks once a minute, and again at once where it failed. It never gives
 * up, since etcd may come up later, be replaced by an empty one, or be changed by somebody.
 *
 * Not guaranteed: that a change of somebody else does no harm until the next look; and passwords are not seen.
 */
export class AccessKeeper {
  readonly #options: AccessKeeperOptions
  readonly #nowMs: () => number
  readonly #everyMs: number
  #seenAtMs = -Infinity
  #complainedAtMs = -Infinity
  #why: string | undefined = 'etcd was not looked at yet'

  constructor(options: AccessKeeperOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#everyMs = options.everyMs ?? defaultEveryMs
  }

  /** Whether users and roles were as declared when etcd was last looked at, which is not too long ago. */
  get asDeclared(): boolean {
    return this.#nowMs() - this.#seenAtMs < freshLooks * this.#everyMs
  }

  /** In words. */
  get explanation(): string {
    const seconds = Math.round((this.#nowMs() - this.#seenAtMs) / 1000)
    const seen = this.#seenAtMs === -Infinity ? 'never yet' : `${seconds} s ago`
    return this.#why === undefined
      ? `users and roles of etcd were as declared ${seen}, and its authentication on`
      : `users and roles of etcd were seen as declared ${seen}: ${this.#why}`
  }

  /** Looks until the signal is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const retry = new Retry()
    while (!isAborted(signal)) {
      try {
        await this.#look(signal)
        retry.succeeded()
        await pause(this.#everyMs, undefined, { signal }).catch(() => undefined)
      } catch (error) {
        if (isAborted(signal)) return
        this.#failed(error)
        await retry.wait(signal)
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { access, declared, mayChange, log, onChange } = this.#options
    await mayChange()
    const { changes, strangers } = await access.converge(declared, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(roundMs)]),
      onChange: (change) => {
        log.info('access-changed', { kind: change.kind, what: describeChange(change) })
        onChange?.(change)
      },
    })
    this.#seenAtMs = this.#nowMs()
    if (this.#why === undefined && changes.length === 0) return
    this.#why = undefined
    this.#complainedAtMs = -Infinity
    log.info('access-as-declared', {
      users: declared.map(({ name }) => name).join(', '),
      // Whom somebody else let in. They are theirs, but whoever reads this log should know.
      strangers: strangers.slice(0, 20).join(', '),
    })
  }

  #failed(error: unknown): void {
    this.#why = error instanceof Error ? error.message : String(error)
    if (this.#nowMs() - this.#complainedAtMs < complainEveryMs) return
    this.#complainedAtMs = this.#nowMs()
    this.#options.log.warn('access-unknown', { error: error instanceof Error ? error : new Error(this.#why) })
  }
}
