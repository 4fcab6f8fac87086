import type { Role } from '@regent/contract/api.ts'
import { bearerOf } from '../identity/bearer.ts'
import { type Caller, mayAct } from '../identity/caller.ts'
import type { People } from '../identity/people.ts'
import { NoRole, Unauthenticated } from '../identity/refusal.ts'
import { Problem } from './problem.ts'
import { Strangers, strangersRate } from './strangers.ts'
import { type Rate, TokenBuckets } from './token-buckets.ts'

export interface GateOptions {
  readonly people: Pick<People, 'identify'>
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** What one caller may ask. @default 100 a second, 200 at once */
  readonly callerRate?: Rate
  /** How often an address may come without good credentials, and a person without a role. @default 5 a second, 50 at once */
  readonly strangerRate?: Rate
}

/**
 * Lets callers in: who they are, how much they ask, and whether they may.
 *
 * Wrong credentials are counted by address, see {@link Strangers}. Who has good ones and no role is counted as a person:
 * nobody else at the same address is to blame for it.
 *
 * Not guaranteed: a limit across pods, each of which counts for itself.
 */
export class Gate {
  readonly #people: Pick<People, 'identify'>
  readonly #callers: TokenBuckets
  readonly #strangers: Strangers
  /** By name: an OpenID provider vouches for them, and nobody here gave them a role. */
  readonly #roleless: TokenBuckets

  constructor({ people, now, callerRate, strangerRate }: GateOptions) {
    this.#people = people
    this.#callers = new TokenBuckets({ ...(callerRate ?? { perSecond: 100, burst: 200 }), now })
    this.#strangers = new Strangers({ rate: strangerRate, now })
    this.#roleless = new TokenBuckets({ ...(strangerRate ?? strangersRate), now })
  }

  /**
   * The caller of a request.
   *
   * @param address where the request comes from
   * @throws Problem where it comes too often
   * @throws Unauthenticated, NoRole, IdentityUnavailable, and the errors of the store
   */
  async identify(authorization: string | undefined, address: string): Promise<Caller> {
    const wait = this.#strangers.waitSeconds(address, authorization)
    if (wait > 0) throw tooMany('there were too many requests with wrong credentials from this address', wait)
    let caller: Caller
    try {
      caller = await this.#people.identify(bearerOf(authorization))
    } catch (error) {
      if (error instanceof Unauthenticated) this.#strangers.refused(address, authorization)
      const seconds = error instanceof NoRole ? this.#roleless.take(error.caller) : 0
      if (seconds > 0) throw tooMany('you have no role here, and ask all the same', seconds)
      throw error
    }
    this.#strangers.admitted(authorization)
    const seconds = this.#callers.take(caller.id)
    if (seconds > 0) throw tooMany('you make more requests than one caller may', seconds)
    return caller
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
