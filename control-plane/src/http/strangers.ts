import { createHash } from 'node:crypto'
import { networkOf } from './client-address.ts'
import { type Rate, TokenBuckets } from './token-buckets.ts'

/** Credentials that were good once, so many of them: as many as agents connect to one pod. */
const mostRemembered = 20_000

/** How often an address may come without good credentials, if nothing else is said. */
export const strangersRate: Rate = { perSecond: 5, burst: 50 }

export interface StrangersOptions {
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** How often an address may come without good credentials. @default {@link strangersRate} */
  readonly rate?: Rate | undefined
}

/**
 * Counts wrong credentials by address: one that brought too many is not listened to for a while, so that guessing costs
 * nobody else a look into etcd. Good credentials cost nothing, and those that were good before are looked at all the
 * same: behind one address there may be many. Of IPv6 the network counts, in which anybody has any number of addresses.
 *
 * Not guaranteed: a limit across pods, each of which counts for itself; and that credentials which are new here are
 * looked at while somebody else at the same address brings wrong ones.
 */
export class Strangers {
  readonly #buckets: TokenBuckets
  /** Hashes of credentials, from those that were not seen longest. */
  readonly #good = new Set<string>()

  constructor({ now, rate = strangersRate }: StrangersOptions) {
    this.#buckets = new TokenBuckets({ ...rate, now })
  }

  /** Whether credentials are worth a look: 0, or after how many seconds the address may come again. */
  waitSeconds(address: string, credentials: string | undefined): number {
    const network = networkOf(address)
    if (this.#good.has(hashOf(credentials)) || !this.#buckets.isEmpty(network)) return 0
    return this.#buckets.take(network)
  }

  /** Credentials were good. */
  admitted(credentials: string | undefined): void {
    const hash = hashOf(credentials)
    this.#good.delete(hash)
    this.#good.add(hash)
    const [oldest] = this.#good
    if (this.#good.size > mostRemembered && oldest !== undefined) this.#good.delete(oldest)
  }

  /** They were not. @returns 0, or after how many seconds the address may come again because it brought too many */
  refused(address: string, credentials: string | undefined): number {
    this.#good.delete(hashOf(credentials))
    return this.#buckets.take(networkOf(address))
  }
}

function hashOf(credentials = ''): string {
  return createHash('sha256').update(credentials).digest('base64')
}
