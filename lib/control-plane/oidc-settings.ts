import { controlPlane } from '@regent/contract/control-plane.ts'
import { deepestClaim, longestClaim, mostClaimedRoles, signatureAlgorithms } from '@regent/contract/oidc.ts'
import { z } from 'zod'
import { cidr, externalSecret, issuerUrl, text, word } from '../config/fields.ts'

const claimedRoles = (description: string) =>
  z
    .array(
      text('value of the role claim', {
        max: longestClaim,
        pattern: /^\P{Cc}+$/u,
        words: `1 to ${longestClaim} characters, none of which is a control character`,
      }),
    )
    .max(mostClaimedRoles)
    .default([])
    .meta({ description })

const { oidcNameClaim, oidcAlgorithms } = controlPlane.env

/** The OpenID provider whose tokens let people in, and what makes whom of them. */
export const oidcSettings = z.strictObject({
  issuerUrl: issuerUrl('the provider, exactly as its tokens name it in `iss`: a slash at the end counts'),
  audience: word('whom its tokens must be for, in `aud`: the id of the client, or the name of the API', longestClaim),
  roleClaim: z.array(word('name of a claim', longestClaim)).min(1).max(deepestClaim).meta({
    description:
      'where its tokens hold roles or groups: the names of claims, one within the other, such as `["realm_access", "roles"]`',
  }),
  nameClaim: word(
    'the claim that names a person in logs and records; `sub` alone is never given to another',
    longestClaim,
  ).default(oidcNameClaim.default),
  roles: z
    .strictObject({
      viewer: claimedRoles('values of that claim that make a viewer'),
      operator: claimedRoles('values of that claim that make an operator'),
      admin: claimedRoles('values of that claim that make an administrator'),
    })
    .meta({ description: 'which values of that claim give which role; whoever has none of them is refused' }),
  algorithms: z
    .array(z.enum(signatureAlgorithms).meta({ description: 'algorithm of a signature' }))
    .min(1)
    .max(signatureAlgorithms.length)
    .default([...oidcAlgorithms.default])
    .meta({ description: 'what the provider may sign with' }),
  caSecretName: externalSecret(
    'Secret with the certificate authority of the provider under `ca.crt`; `null`: the public ones are trusted',
  )
    .nullable()
    .default(null),
  cidrs: z.array(cidr('address range')).min(1).max(64).meta({
    description:
      'address ranges of the provider, and of where its keys are (`jwks_uri`): a policy cannot hold a host name',
  }),
})
export type OidcSettings = z.infer<typeof oidcSettings>
