import { errorCode } from '@regent/runtime/error-code.ts'
import { Conflict, NotThere } from '../agents/errors.ts'
import { IdempotencyKeyReused, QueueFull } from '../commands/errors.ts'
import { IdentityUnavailable, NoRole, Unauthenticated } from '../identity/refusal.ts'
import { LeaseLost, StoreForbidden, StoreFull, StoreLocked, StoreUnavailable, TooLarge } from '../store/errors.ts'
import { InvalidState } from '../state/errors.ts'
import { Problem } from './problem.ts'

/** After which time a caller may try again when something is away, in seconds. */
const retryAfterSeconds = 2

const retryAfter = { 'retry-after': String(retryAfterSeconds) }

/** What the caller is told of an error. One that is nobody's business but ours is `internal`, without its message. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  return problemOfIdentity(error) ?? problemOfStore(error) ?? problemOfFramework(error) ?? internal(error)
}

function internal(cause: unknown): Problem {
  return new Problem('internal', 'something is wrong here, not with the request; the log has it under this instance', {
    cause,
  })
}

function problemOfIdentity(error: unknown): Problem | undefined {
  if (error instanceof Unauthenticated) {
    const invalid = error.reason === 'missing' ? '' : ', error="invalid_token"'
    const headers = { 'www-authenticate': `Bearer realm="regent"${invalid}` }
    return new Problem('unauthenticated', error.message, { headers, cause: error })
  }
  if (error instanceof NoRole) return new Problem('forbidden', error.message, { cause: error })
  if (error instanceof IdentityUnavailable) {
    return new Problem('identity-unavailable', error.message, { headers: retryAfter, cause: error })
  }
  return undefined
}

const unknownOutcome = 'what was asked for may have been done or not: look before you repeat it'

function problemOfStore(error: unknown): Problem | undefined {
  if (error instanceof StoreLocked) {
    return new Problem('store-unavailable', error.message, { headers: retryAfter, cause: error })
  }
  if (error instanceof StoreForbidden) {
    const detail = 'etcd does not let this control plane in yet; nothing was changed'
    return new Problem('store-unavailable', detail, { headers: retryAfter, cause: error })
  }
  if (error instanceof StoreUnavailable) {
    const outcome = error.mayHaveHappened ? unknownOutcome : 'nothing was changed'
    return new Problem('store-unavailable', `etcd did not answer in time; ${outcome}`, {
      headers: retryAfter,
      cause: error,
    })
  }
  if (error instanceof StoreFull) {
    const outcome = error.mayHaveHappened ? unknownOutcome : 'nothing was changed'
    return new Problem('store-full', `etcd has reached its quota; ${outcome}. Reads go on`, { cause: error })
  }
  if (error instanceof LeaseLost) {
    return new Problem('store-unavailable', 'a lease in etcd ran out; nothing was changed', {
      headers: retryAfter,
      cause: error,
    })
  }
  if (error instanceof TooLarge) return new Problem('body-too-large', error.message, { cause: error })
  if (error instanceof NotThere) return new Problem('not-found', error.message, { cause: error })
  if (error instanceof Conflict) return new Problem('conflict', error.message, { cause: error })
  if (error instanceof IdempotencyKeyReused) {
    return new Problem('idempotency-key-reused', error.message, { cause: error })
  }
  if (error instanceof InvalidState) {
    const problems = [{ path: `body.${error.field}`, message: error.message }]
    return new Problem('invalid-request', 'what is to be imported is no whole state', { problems, cause: error })
  }
  if (error instanceof QueueFull) {
    return new Problem('queue-full', error.message, { headers: { 'retry-after': '10' }, cause: error })
  }
  return undefined
}

/** Fastify's own errors, before any handler of ours has run. */
function problemOfFramework(cause: unknown): Problem | undefined {
  const invalid = (message: string, path = 'body') =>
    new Problem('invalid-request', 'the request was not read', { problems: [{ path, message }], cause })
  switch (errorCode(cause)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('body-too-large', 'the body is longer than this operation takes; send less at once', { cause })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported-media-type', 'send JSON, with "Content-Type: application/json"', { cause })
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return invalid('expected JSON, got nothing; leave the Content-Type header out where there is no body')
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return invalid('expected JSON, got something that is none, or that names `__proto__` or `constructor`')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return invalid('expected as many bytes as the Content-Length header says')
    case 'FST_ERR_BAD_URL':
      return invalid('expected a path with valid percent-encoding', 'path')
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Problem('not-found', 'a part of the path is longer than any id', { cause })
    case 'FST_ERR_HANDLER_TIMEOUT':
      return new Problem(
        'store-unavailable',
        'there was no answer in time; look before you repeat what you asked for',
        {
          headers: retryAfter,
          cause,
        },
      )
    default:
      return undefined
  }
}
