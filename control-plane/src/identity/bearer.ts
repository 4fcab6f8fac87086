import { Unauthenticated } from './refusal.ts'

/** Longest bearer token, in characters. Tokens of large directories carry their groups along. */
export const longestBearer = 8192

/**
 * The token of an `Authorization` header. The scheme is compared without regard to case, as RFC 9110 has it.
 *
 * @throws Unauthenticated where there is none, or something else
 */
export function bearerOf(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') throw new Unauthenticated('missing')
  // One blank and the alphabet of RFC 6750: what else there is belongs to nobody who means well.
  const found = /^bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(authorization)?.[1]
  if (found === undefined || found.length > longestBearer) throw new Unauthenticated('malformed')
  return found
}
