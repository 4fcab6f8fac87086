import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { serverCertificate } from '../../../agent/test/election/certificate.ts'
import { apiServerKeys } from '../../src/identity/api-server-keys.ts'
import { longestDocumentBytes } from '../../src/identity/issuer-keys.ts'
import { oidcKeys } from '../../src/identity/oidc-keys.ts'

/** The documents of an issuer by path: a body, or what else becomes of the request. */
type Pages = Record<string, { status?: number; headers?: Record<string, string>; body?: string; silent?: true }>

describe('the documents of an issuer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'regent-keys-'))
  const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
  const { key, certificate } = serverCertificate(['127.0.0.1'])
  const asked: { readonly url: string; readonly authorization: string | undefined }[] = []
  let pages: Pages = {}
  let server: Server
  let port = 0

  beforeAll(async () => {
    server = createServer({ key, cert: certificate }, (request, response) => {
      const url = request.url ?? ''
      asked.push({ url, authorization: request.headers.authorization })
      const page = pages[url]
      if (page?.silent) return
      response.writeHead(page?.status ?? (page === undefined ? 404 : 200), page?.headers)
      response.end(page?.body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })
  beforeEach(() => {
    asked.length = 0
    writeFileSync(tokenFile, 'first\n')
    writeFileSync(caFile, certificate)
    pages = {
      '/.well-known/openid-configuration': { body: JSON.stringify({ issuer: issuer(), jwks_uri: `${issuer()}/keys` }) },
      '/openid/v1/jwks': {
        body: JSON.stringify({
          keys: [
            { kty: 'RSA', kid: 'a' },
            { kty: 'oct', k: 'c2VjcmV0' },
          ],
        }),
      },
      '/keys': { body: JSON.stringify({ keys: [{ kty: 'EC', kid: 'b' }] }) },
    }
  })
  const issuer = () => `https://127.0.0.1:${port}`
  const ofApiServer = (timeoutSeconds = 5) =>
    apiServerKeys({ host: '127.0.0.1', port, tokenFile, caFile, timeoutSeconds }).fetch()
  const ofProvider = (named = issuer()) => oidcKeys({ issuer: named, caFile }).fetch()

  test('come from the API server itself, with public keys alone', async () => {
    expect(await ofApiServer()).toEqual({ issuer: issuer(), keys: [{ kty: 'RSA', kid: 'a' }] })
    expect(asked.map(({ url }) => url).sort()).toEqual(['/.well-known/openid-configuration', '/openid/v1/jwks'])
  })

  test('are asked for with the token and the authority that there are now', async () => {
    await ofApiServer()
    writeFileSync(tokenFile, 'second\n')
    await ofApiServer()
    expect(asked.map(({ authorization }) => authorization)).toEqual([
      ...Array<string>(2).fill('Bearer first'),
      ...Array<string>(2).fill('Bearer second'),
    ])
    writeFileSync(caFile, serverCertificate(['127.0.0.1']).certificate)
    await expect(ofApiServer()).rejects.toThrow(/openid-configuration: .*SELF_SIGNED|openid-configuration: DEPTH/)
  })

  test('of a provider come from where its discovery says', async () => {
    expect(await ofProvider()).toEqual({ issuer: issuer(), keys: [{ kty: 'EC', kid: 'b' }] })
    expect(asked.every(({ authorization }) => authorization === undefined)).toBe(true)
  })

  test('of a provider are refused where they name another issuer', async () => {
    await expect(ofProvider(`${issuer()}/`)).rejects.toThrow(`expected the issuer ${issuer()}/, got ${issuer()}`)
  })

  test('of a provider come by TLS, or not at all', async () => {
    const body = JSON.stringify({ issuer: issuer(), jwks_uri: `http://127.0.0.1:${port}/keys` })
    pages['/.well-known/openid-configuration'] = { body }
    await expect(ofProvider()).rejects.toThrow('expected https, got http')
    await expect(ofProvider(`http://127.0.0.1:${port}`)).rejects.toThrow('expected https, got http')
  })

  test.each<[string, string, Pages[string]]>([
    ['a redirect', 'expected status 200, got 302', { status: 302, headers: { location: '/keys' } }],
    ['an error', 'expected status 200, got 500', { status: 500, body: '{"keys":[]}' }],
    ['no JSON', 'the answer is no JSON', { body: '<html>' }],
    ['too long', 'which is the longest allowed', { body: ' '.repeat(longestDocumentBytes + 1) }],
    ['no key set', 'keys', { body: '{}' }],
    ['too many keys', 'keys', { body: JSON.stringify({ keys: Array(257).fill({ kty: 'EC' }) }) }],
  ])('that are %s are refused', async (_, why, page) => {
    pages['/openid/v1/jwks'] = page
    await expect(ofApiServer()).rejects.toThrow(why)
  })

  test('that do not come are not waited for', async () => {
    pages['/openid/v1/jwks'] = { silent: true }
    await expect(ofApiServer(0.2)).rejects.toThrow('/openid/v1/jwks: no answer within 0.2 s')
  })

  test.each([
    ['missing', () => rmSync(tokenFile), 'cannot be read (ENOENT)'],
    ['empty', () => writeFileSync(tokenFile, '\n'), 'is empty'],
    ['of two words', () => writeFileSync(tokenFile, 'topsecret two'), 'is not one word'],
  ])('are not asked for with a token file that is %s', async (_, change, why) => {
    change()
    const error: unknown = await ofApiServer().catch((thrown: unknown) => thrown)
    expect(String(error)).toContain(why)
    expect(String(error)).not.toContain('topsecret')
    expect(asked).toEqual([])
  })
})
