import { status } from '@grpc/grpc-js'
import { objectNames } from '@regent/contract/names.ts'
import { Compacted, LeaseLost, StoreForbidden, StoreFull, StoreRefused, StoreUnavailable, TooLarge } from './errors.ts'

/** How a call of etcd ended: a gRPC status. */
export interface CallFailure {
  readonly code: number
  readonly details: string
}

/** Another member, or the same one later, may do better. */
const PASSING = new Set<number>([
  status.CANCELLED,
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
])

/**
 * What a failed call means to who made it.
 *
 * etcd tells its errors apart by words, several of them under one status. The words are those of 3.5 and 3.6; one
 * that is not known here is {@link StoreRefused}, or {@link StoreUnavailable} where the status says so.
 */
export function storeError(failure: CallFailure, what: { readonly name: string; readonly writes: boolean }): Error {
  const { code, details } = failure
  const message = `etcd, ${what.name}: ${details}`
  if (details.includes('database space exceeded')) {
    // A member refuses before it proposes, or when it applies: then it has done what it refuses, unless the alarm was on.
    return new StoreFull(`${message}; compact and defragment it, raise its quota, then disarm its NOSPACE alarm`, {
      mayHaveHappened: what.writes,
    })
  }
  if (details.includes('has been compacted')) return new Compacted(message)
  if (details.includes('requested lease not found')) return new LeaseLost(message)
  if (details.includes('request is too large') || details.includes('message larger than max')) {
    return new TooLarge(message)
  }
  const forbidden = storeForbidden(details, message)
  if (forbidden !== undefined) return forbidden
  // Refused before it was proposed to the members.
  if (details.includes('too many requests')) return new StoreUnavailable(message, { mayHaveHappened: false })
  return PASSING.has(code)
    ? new StoreUnavailable(message, { mayHaveHappened: what.writes })
    : new StoreRefused(`${message} (${status[code] ?? code})`)
}

/**
 * etcd's words for a user who may not do something, or whom it does not know; `undefined` for any others. It checks
 * rights again when it applies a write, and then nothing of it takes effect.
 */
export function storeForbidden(details: string, message: string): StoreForbidden | undefined {
  const momentary = MOMENTARY.some((words) => details.includes(words))
  if (!momentary && !FORBIDDEN.some((words) => details.includes(words))) return undefined
  return new StoreForbidden(
    `${message}; etcd knows a program by the common name of its certificate, and ${objectNames.consensusAccess} gives that user its rights`,
    { momentary },
  )
}

const FORBIDDEN = ['permission denied', 'user name not found', 'invalid auth token']
/** A call that came before users and roles changed, or authentication was turned on, and was judged after it. */
const MOMENTARY = ['revision of auth store is old', 'revision in header is old', 'user name is empty']
