import { readFile } from 'node:fs/promises'
import { fetchJson } from './fetch-json.ts'
import { discoveryDocument, type KeySource, keySetDocument, longestDocumentBytes } from './issuer-keys.ts'

export interface OidcKeysOptions {
  /** The issuer, exactly as its tokens name it; an `https` URL. */
  readonly issuer: string
  /** The authority that signed the issuer's certificate, PEM, read again for every fetch. @default the public ones */
  readonly caFile?: string
  /** For each of the two documents. @default 5 */
  readonly timeoutSeconds?: number
}

/**
 * The keys of an OpenID provider, by its discovery document, which must name the very issuer that was configured.
 */
export function oidcKeys({ issuer, caFile, timeoutSeconds = 5 }: OidcKeysOptions): KeySource {
  return {
    name: `the OpenID provider ${issuer}`,
    fetch: async () => {
      const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8')
      const get = (url: URL) =>
        fetchJson({ url, timeoutSeconds, longestBytes: longestDocumentBytes, ...(ca !== undefined && { ca }) })
      const discovery = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
      const { issuer: named, jwks_uri: keysUri } = discoveryDocument.parse(await get(discovery))
      if (named !== issuer) throw new Error(`${discovery.href}: expected the issuer ${issuer}, got ${named}`)
      const url = keysUri === undefined ? null : URL.parse(keysUri)
      if (url === null) throw new Error(`${discovery.href}: expected a jwks_uri, got none that is a URL`)
      return { issuer, keys: keySetDocument.parse(await get(url)).keys }
    },
  }
}
