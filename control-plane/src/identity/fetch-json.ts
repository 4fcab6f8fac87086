import { request } from 'node:https'
import { errorCode } from '@regent/runtime/error-code.ts'

/** What is asked for a document. */
export interface JsonRequest {
  /** `https:` only. */
  readonly url: URL
  /** Trusted authorities, PEM. @default those that Node trusts */
  readonly ca?: string
  readonly token?: string
  /** For all of it, from looking up the name to the last byte. */
  readonly timeoutSeconds: number
  /** Longest answer, in bytes. */
  readonly longestBytes: number
}

/**
 * Fetches a JSON document over TLS. Redirects are not followed: the keys that everything is checked by come from where
 * the configuration says, or not at all. Every fetch opens a connection of its own, so that a certificate authority
 * that was replaced counts at once.
 *
 * @throws Error that names the URL, never the token or the document
 */
export async function fetchJson({ url, ca, token, timeoutSeconds, longestBytes }: JsonRequest): Promise<unknown> {
  if (url.protocol !== 'https:') throw new Error(`${url.href}: expected https, got ${url.protocol.slice(0, -1)}`)
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request(url, {
      agent: false,
      ...(ca !== undefined && { ca }),
      headers: {
        accept: 'application/json, */*;q=0.1',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    })
    const fail = (why: string): void => {
      sent.destroy()
      reject(new Error(`${url.href}: ${why}`))
    }
    const limit = setTimeout(() => fail(`no answer within ${timeoutSeconds} s`), timeoutSeconds * 1000)
    sent.on('error', (error) => reject(new Error(`${url.href}: ${errorCode(error) ?? error.message}`)))
    sent.on('close', () => {
      clearTimeout(limit)
      reject(new Error(`${url.href}: the connection ended before the answer did`))
    })
    sent.on('response', (response) => {
      if (response.statusCode !== 200) return fail(`expected status 200, got ${response.statusCode ?? 'none'}`)
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > longestBytes) fail(`an answer of more than ${longestBytes} bytes, which is the longest allowed`)
        else chunks.push(chunk)
      })
      response.on('error', (error) => fail(error.message))
      response.on('end', () => resolve(Buffer.concat(chunks, bytes).toString('utf8')))
    })
    sent.end()
  })
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${url.href}: the answer is no JSON`)
  }
}
