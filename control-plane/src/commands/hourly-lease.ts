import { LeaseLost } from '../store/errors.ts'
import type { Store } from '../store/store.ts'

/** How long what ended is kept, in seconds, and one hour in which the lease is shared. */
const ttlSeconds = 25 * 3600
const sharedMs = 3600 * 1000

/**
 * A lease that all keys of an hour share: each of them is deleted by etcd 24 to 25 hours after it was written. One
 * lease per key would make etcd keep as many.
 */
export class HourlyLease {
  readonly #store: Pick<Store, 'expiry'>
  readonly #monotonicMs: () => number
  #current: { readonly id: Promise<bigint>; readonly untilMs: number } | undefined

  constructor(store: Pick<Store, 'expiry'>, monotonicMs: () => number = () => performance.now()) {
    this.#store = store
    this.#monotonicMs = monotonicMs
  }

  /**
   * Writes with its id. Where etcd does not know the lease any more, nothing was written: a new one is tried once.
   * @throws StoreUnavailable
   */
  async use<Written>(write: (id: bigint) => Promise<Written>): Promise<Written> {
    const id = await this.#granted()
    const used = this.#current
    try {
      return await write(id)
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error
      // Of several that learn it together, the first has replaced it.
      if (this.#current === used) this.#current = undefined
      return await write(await this.#granted())
    }
  }

  async #granted(): Promise<bigint> {
    const nowMs = this.#monotonicMs()
    if (this.#current !== undefined && nowMs < this.#current.untilMs) return await this.#current.id
    const granted = { id: this.#store.expiry(ttlSeconds), untilMs: nowMs + sharedMs }
    this.#current = granted
    try {
      return await granted.id
    } catch (error) {
      if (this.#current === granted) this.#current = undefined
      throw error
    }
  }
}
