import type { Log } from '@regent/runtime/logging/log.ts'
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose'
import { type Clock, systemClock } from './clock.ts'
import type { KeySource } from './issuer-keys.ts'
import { IdentityUnavailable, Unauthenticated } from './refusal.ts'

export interface KeySetOptions {
  readonly source: KeySource
  readonly log: Log
  /** @default the system's */
  readonly clock?: Clock
  /** Least time between two fetches, in seconds: unknown keys must not make us ask for them at will. @default 30 */
  readonly refetchSeconds?: number
  /** Older keys are fetched again, so that one that was withdrawn stops counting, in seconds. @default 600 */
  readonly freshSeconds?: number
}

type LocalKeySet = ReturnType<typeof createLocalJWKSet>

interface Known {
  readonly issuer: string
  readonly find: LocalKeySet
  readonly fetchedMs: number
}

/** Without any keys nothing can be answered: then a fetch is tried again sooner, in milliseconds. */
const retryMs = 1_000

/**
 * The keys of one issuer, remembered. They are fetched when the first token comes, when they are old, and for a key
 * that is not known; never more often than {@link KeySetOptions.refetchSeconds}. The last good set stays in use while
 * its source is away.
 *
 * Not guaranteed: that a key which its issuer withdrew is refused at once. It counts until the next fetch, and for as
 * long as the source cannot be reached.
 */
export class KeySet {
  readonly #options: KeySetOptions
  readonly #clock: Clock
  readonly #refetchMs: number
  readonly #freshMs: number
  #known: Known | undefined
  #fetching: Promise<void> | undefined
  #triedMs = -Infinity
  #why: unknown

  constructor(options: KeySetOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#refetchMs = (options.refetchSeconds ?? 30) * 1000
    this.#freshMs = (options.freshSeconds ?? 600) * 1000
  }

  /** The issuer whose keys these are. @throws IdentityUnavailable while they were never fetched */
  async issuer(): Promise<string> {
    return (await this.#keys()).issuer
  }

  /**
   * The key of a token, for `jose`.
   *
   * @throws Unauthenticated where no key of the issuer fits
   * @throws IdentityUnavailable while no keys were ever fetched
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<LocalKeySet> {
    const keys = await this.#keys()
    try {
      return await keys.find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw new Unauthenticated('signature', { cause: error })
    }
    if (this.#since(this.#triedMs) >= this.#refetchMs) await this.#fetch()
    try {
      return await (await this.#keys()).find(header, token)
    } catch (error) {
      throw new Unauthenticated('signature', { cause: error })
    }
  }

  async #keys(): Promise<Known> {
    const known = this.#known
    if (known !== undefined) {
      // In the background: what is known is good enough for this caller.
      if (this.#since(known.fetchedMs) >= this.#freshMs && this.#since(this.#triedMs) >= this.#refetchMs) {
        void this.#fetch()
      }
      return known
    }
    if (this.#fetching !== undefined || this.#since(this.#triedMs) >= retryMs) await this.#fetch()
    if (this.#known !== undefined) return this.#known
    throw new IdentityUnavailable(`the keys of ${this.#options.source.name} could not be fetched yet`, {
      cause: this.#why,
    })
  }

  /** One at a time. Never rejects. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchOnce().finally(() => (this.#fetching = undefined))
    return this.#fetching
  }

  async #fetchOnce(): Promise<void> {
    this.#triedMs = this.#clock.monotonicMs()
    const { source, log } = this.#options
    try {
      const { issuer, keys } = await source.fetch()
      if (keys.length === 0) throw new Error(`${source.name} has no public keys`)
      this.#known = { issuer, find: createLocalJWKSet({ keys }), fetchedMs: this.#triedMs }
      this.#why = undefined
    } catch (error) {
      this.#why = error
      log.warn('issuer-keys-unavailable', {
        source: source.name,
        error: error instanceof Error ? error : new Error(String(error)),
        message:
          this.#known === undefined ? 'nobody of this issuer can be let in' : 'the keys known so far stay in use',
      })
    }
  }

  #since(ms: number): number {
    return this.#clock.monotonicMs() - ms
  }
}
