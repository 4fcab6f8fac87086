import { readFile } from 'node:fs/promises'
import { errorCode } from '@regent/runtime/error-code.ts'
import { fetchJson } from './fetch-json.ts'
import { discoveryDocument, type KeySource, keySetDocument, longestDocumentBytes } from './issuer-keys.ts'

/** Where the API server is, and who this pod is to it. */
export interface ApiServerKeysOptions {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** The pod's own token. Read again for every fetch: the kubelet rotates it. */
  readonly tokenFile: string
  /** The certificate authority of the API server, PEM. Read again for every fetch. */
  readonly caFile: string
  /** For each of the two documents. @default 5 */
  readonly timeoutSeconds?: number
}

/**
 * The issuer of the cluster's ServiceAccount tokens and its keys, as the API server itself serves them. The keys are
 * taken from the API server and not from the `jwks_uri` of the document, which may be an address that only the outside
 * can reach.
 *
 * Not guaranteed: tokens of an issuer that the API server accepts beside the one that it issues for now.
 */
export function apiServerKeys(options: ApiServerKeysOptions): KeySource {
  const { host, port, tokenFile, caFile, timeoutSeconds = 5 } = options
  const origin = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    name: `the API server ${origin}`,
    fetch: async () => {
      const [token, ca] = await Promise.all([contentOf('token', tokenFile), contentOf('certificate authority', caFile)])
      const get = (path: string) =>
        fetchJson({ url: new URL(path, origin), token, ca, timeoutSeconds, longestBytes: longestDocumentBytes })
      const [discovered, keySet] = await Promise.all([get('/.well-known/openid-configuration'), get('/openid/v1/jwks')])
      const { issuer } = discoveryDocument.parse(discovered)
      return { issuer, keys: keySetDocument.parse(keySet).keys }
    },
  }
}

async function contentOf(what: string, file: string): Promise<string> {
  let content: string
  try {
    content = (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new Error(
      `the ${what} ${file} cannot be read (${errorCode(error) ?? 'unknown'}); mount the pod's ServiceAccount there`,
    )
  }
  if (content === '') throw new Error(`the ${what} ${file} is empty; mount the pod's ServiceAccount there`)
  if (what === 'token' && !/^[\x21-\x7e]+$/.test(content)) {
    throw new Error(`the token in ${file} is not one word of printable characters; it must hold one token`)
  }
  return content
}
