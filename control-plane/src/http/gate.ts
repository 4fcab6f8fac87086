import { createHash } from 'node:crypto'
import type { Role } from '@regent/contract/api.ts'
import { bearerOf } from '../identity/bearer.ts'
import { type Caller, mayAct } from '../identity/caller.ts'
import type { People } from '../identity/people.ts'
import { Unauthenticated } from '../identity/refusal.ts'
import { networkOf } from './client-address.ts'
import { Problem } from './problem.ts'
import { type Rate, TokenBuckets } from './token-buckets.ts'

export interface GateOptions {
  readonly people: Pick<People, 'identify'>
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** What one caller may ask. @default 100 a second, 200 at once */
  readonly callerRate?: Rate
  /** How often an address may come without good credentials. @default 5 a second, 50 at once */
  readonly strangerRate?: Rate
}

/** Credentials that were good once, so many of them. */
const mostRemembered = 10_000

/**
 * Lets callers in: who they are, how much they ask, and whether they may.
 *
 * Wrong credentials are counted by address, and an address that brought too many is not listened to for a while, so that
 * guessing costs nobody else a look into etcd. Credentials that were good before are looked at all the same: behind one
 * address there may be many.
 *
 * Not guaranteed: a limit across pods, each of which counts for itself.
 */
export class Gate {
  readonly #people: Pick<People, 'identify'>
  readonly #callers: TokenBuckets
  readonly #strangers: TokenBuckets
  /** Hashes of credentials, from those that were not seen longest. */
  readonly #good = new Set<string>()

  constructor({ people, now, callerRate, strangerRate }: GateOptions) {
    this.#people = people
    this.#callers = new TokenBuckets({ ...(callerRate ?? { perSecond: 100, burst: 200 }), now })
    this.#strangers = new TokenBuckets({ ...(strangerRate ?? { perSecond: 5, burst: 50 }), now })
  }

  /**
   * The caller of a request.
   *
   * @param address where the request comes from; of IPv6 its network counts, in which anybody has any number of addresses
   * @throws Problem where it comes too often
   * @throws Unauthenticated, NoRole, IdentityUnavailable, and the errors of the store
   */
  async identify(authorization: string | undefined, address: string): Promise<Caller> {
    const network = networkOf(address)
    const hash = createHash('sha256')
      .update(authorization ?? '')
      .digest('base64')
    if (!this.#good.has(hash) && this.#strangers.isEmpty(network)) throw this.#tooMany(this.#strangers, network)
    let caller: Caller
    try {
      caller = await this.#people.identify(bearerOf(authorization))
    } catch (error) {
      if (error instanceof Unauthenticated) {
        this.#good.delete(hash)
        this.#strangers.take(network)
      }
      throw error
    }
    this.#remember(hash)
    const seconds = this.#callers.take(caller.id)
    if (seconds > 0) throw tooMany('you make more requests than one caller may', seconds)
    return caller
  }

  #remember(hash: string): void {
    this.#good.delete(hash)
    this.#good.add(hash)
    const [oldest] = this.#good
    if (this.#good.size > mostRemembered && oldest !== undefined) this.#good.delete(oldest)
  }

  #tooMany(buckets: TokenBuckets, network: string): Problem {
    return tooMany('there were too many requests with wrong credentials from this address', buckets.take(network))
  }
}

/** @throws Problem where the role of the caller is too low */
export function mustBeAllowed(caller: Caller, needed: Role): void {
  if (mayAct(caller.role, needed)) return
  throw new Problem('forbidden', `this needs the role '${needed}', and yours is '${caller.role}'`)
}

function tooMany(why: string, seconds: number): Problem {
  return new Problem('too-many-requests', `${why}; come again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
}
