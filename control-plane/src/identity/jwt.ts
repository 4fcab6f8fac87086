import type { SignatureAlgorithm } from '@regent/contract/oidc.ts'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import { type Clock, systemClock } from './clock.ts'
import type { KeySet } from './key-set.ts'
import { IdentityUnavailable, type RefusalReason, Unauthenticated } from './refusal.ts'

/** How far the clocks of who issued a token and of this machine may be apart, in seconds. */
export const clockToleranceSeconds = 30

/** What a token must be. */
export interface JwtExpectation {
  readonly keys: KeySet
  readonly audience: string
  readonly algorithms: readonly SignatureAlgorithm[]
  /** @default the system's */
  readonly clock?: Clock
}

/** A token that was checked: it has a subject and an end. */
export type CheckedJwt = JWTPayload & { readonly sub: string; readonly exp: number }

/**
 * Checks signature, issuer, audience, expiry and begin of a JSON Web Token.
 *
 * @throws Unauthenticated with the reason
 * @throws IdentityUnavailable while the keys of the issuer are not known
 */
export async function checkJwt(token: string, expected: JwtExpectation): Promise<CheckedJwt> {
  const { keys, audience, algorithms, clock = systemClock } = expected
  const issuer = await keys.issuer()
  try {
    const { payload } = await jwtVerify(token, (header, input) => keys.find(header, input), {
      issuer,
      audience,
      algorithms: [...algorithms],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(clock.wallMs()),
    })
    const { sub, exp } = payload
    if (typeof sub !== 'string' || exp === undefined) throw new Unauthenticated('malformed')
    return { ...payload, sub, exp }
  } catch (error) {
    if (error instanceof Unauthenticated || error instanceof IdentityUnavailable) throw error
    throw new Unauthenticated(reasonOf(error), { cause: error })
  }
}

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return 'algorithm'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf') return 'not-yet-valid'
    if (error.claim === 'iss') return 'issuer'
    if (error.claim === 'aud') return 'audience'
  }
  return 'malformed'
}
