/** What an environment, the manifests and the control plane agree on about tokens of an OpenID provider. */

/**
 * Algorithms with public keys that a token may be signed with. `none` is no algorithm, and the symmetric ones are not
 * here: a public key that is taken for a shared secret is known to everybody.
 */
export const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number]

/** Most characters of an audience, of the name of a claim, or of a value that gives a role. */
export const longestClaim = 256
/** Most claims that lie one within the other. */
export const deepestClaim = 8
/** Most values that give one role. */
export const mostClaimedRoles = 64
