import { z } from 'zod'

/** Longest document of an issuer, in bytes: hundreds of keys fit in. */
export const longestDocumentBytes = 256 * 1024
/** Most keys of one issuer. */
const mostKeys = 256

/** The discovery document of an issuer, as far as it is read here. */
export const discoveryDocument = z.object({ issuer: z.url().max(1024), jwks_uri: z.string().max(2048).optional() })

/**
 * A JSON Web Key Set. Keys of other kinds than public ones are left out: a symmetric key in a public document would let
 * everybody sign.
 */
export const keySetDocument = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string() }))
    .max(mostKeys)
    .transform((keys) => keys.filter(({ kty }) => kty === 'RSA' || kty === 'EC' || kty === 'OKP')),
})

/** An issuer and the keys that it signs with now. */
export interface IssuerKeys {
  readonly issuer: string
  readonly keys: z.infer<typeof keySetDocument>['keys']
}

/** Where the keys of an issuer come from. */
export interface KeySource {
  /** For messages: whose keys these are. */
  readonly name: string
  /** @throws Error that says why there is no answer that can be used */
  fetch(): Promise<IssuerKeys>
}
