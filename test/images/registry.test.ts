import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import { RegistryError, resolveImage } from '../../lib/images/registry.ts'
import { digestOf, imageType, indexType, manifest, RegistryServer } from './registry-server.ts'

const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: indexType,
  manifests: [
    { digest: digestOf('b'), platform: { os: 'linux', architecture: 'arm64' } },
    { digest: digestOf('a'), platform: { os: 'linux', architecture: 'amd64' } },
    { digest: digestOf('c'), platform: { os: 'unknown', architecture: 'unknown' } },
  ],
})
const path = '/v2/some/etcd/manifests/v1'
const servers: RegistryServer[] = []

async function start(answers: Parameters<typeof RegistryServer.start>[0]): Promise<RegistryServer> {
  const server = await RegistryServer.start(answers)
  servers.push(server)
  return server
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

/** What is wrong, in words. */
async function failureOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof RegistryError) return error.message
    throw error
  }
  throw new Error('expected a failure')
}

describe('resolveImage', () => {
  test('asks for an index first and gives the digest of its content, with its platforms', async () => {
    const server = await start({ [path]: manifest(index, indexType, digestOf(index)) })
    expect(await resolveImage(`${server.host}/some/etcd`, 'v1')).toEqual({
      digest: digestOf(index),
      platforms: ['linux/amd64', 'linux/arm64'],
    })
    expect(server.asked).toEqual([
      {
        method: 'GET',
        url: path,
        authorization: '',
        accept: [
          indexType,
          'application/vnd.docker.distribution.manifest.list.v2+json',
          imageType,
          'application/vnd.docker.distribution.manifest.v2+json',
        ].join(', '),
      },
    ])
  })

  test('hashes the content where the registry does not say its digest', async () => {
    const body = '{"schemaVersion":2}'
    const server = await start({ [path]: manifest(body, `${imageType}; charset=utf-8`) })
    expect(await resolveImage(`${server.host}/some/etcd`, 'v1')).toEqual({ digest: digestOf(body), platforms: [] })
  })

  test('fails if the content contradicts the digest that the registry says', async () => {
    const server = await start({ [path]: manifest(index, indexType, digestOf('other')) })
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toBe(
      `${server.host}/some/etcd:v1: expected ${digestOf('other')}, as the registry says, got ${digestOf(index)} of its content`,
    )
  })

  test.each([
    [404, 'status 404'],
    [429, 'status 429'],
    [503, 'status 503'],
    [403, 'status 403'],
  ])('fails if the answer is %i', async (status, message) => {
    const server = await start({ [path]: (_, response) => response.writeHead(status).end('no') })
    const failure = await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))
    expect(failure).toBe(`${server.host}/some/etcd:v1: expected a manifest, got ${message}`)
  })

  test.each([['application/vnd.docker.distribution.manifest.v1+prettyjws'], ['text/html']])(
    'fails if the answer is a %s',
    async (type) => {
      const server = await start({ [path]: manifest(index, type) })
      expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toContain(
        `got a manifest of type ${type}`,
      )
    },
  )

  test('fails if the manifest is no JSON', async () => {
    const server = await start({ [path]: manifest('<html>', imageType) })
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toContain('expected an answer in JSON')
  })

  test('stops reading an answer that is too long', async () => {
    let sent = 0
    const server = await start({
      [path]: (_, response) => {
        response.writeHead(200, { 'content-type': imageType })
        const chunk = Buffer.alloc(1024 * 1024, ' ')
        const send = () => {
          while (!response.destroyed && sent < 64) {
            sent++
            if (!response.write(chunk)) return response.once('drain', send)
          }
          return response.end()
        }
        send()
      },
    })
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toContain('at most 4194304 bytes')
    expect(sent).toBeLessThan(64)
  })

  test.each([
    ['no answer', (): void => undefined],
    [
      'half an answer',
      (_: IncomingMessage, response: ServerResponse): void =>
        void response.writeHead(200, { 'content-type': imageType }).write('{'),
    ],
  ])('fails in time if there is %s', async (_, answer) => {
    const server = await start({ [path]: answer })
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1', 100))).toBe(
      `${server.host}/some/etcd:v1: expected an answer of ${server.host}, got nothing in time`,
    )
  })

  test('fails if nobody listens', async () => {
    const server = await start({})
    await servers.pop()?.stop()
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toMatch(/got connect ECONNREFUSED/)
  })
})

describe('a challenge', () => {
  function challenged(header: (host: string) => string, token: string) {
    return start({
      [path]: (request, response) => {
        if (request.headers.authorization === 'Bearer abc') return void manifest(index)(request, response)
        return void response.writeHead(401, { 'www-authenticate': header(request.headers.host ?? '') }).end()
      },
      '/token': (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(token),
    })
  }

  test.each([['{"token":"abc"}'], ['{"access_token":"abc"}']])('is answered with the token of %s', async (token) => {
    const server = await challenged(
      (host) => `Bearer realm="http://${host}/token",service="some registry",scope="repository:some/etcd:pull"`,
      token,
    )
    expect(await resolveImage(`${server.host}/some/etcd`, 'v1')).toMatchObject({ digest: digestOf(index) })
    expect(server.asked.map(({ url, authorization }) => [url, authorization])).toEqual([
      [path, ''],
      ['/token?service=some+registry&scope=repository%3Asome%2Fetcd%3Apull', ''],
      [path, 'Bearer abc'],
    ])
  })

  test('is found beside others, and asks for the scope that it leaves out', async () => {
    const server = await challenged(
      (host) => `Basic realm="x", bearer realm="http://${host}/token?a=b"`,
      '{"token":"abc"}',
    )
    await resolveImage(`${server.host}/some/etcd`, 'v1')
    expect(server.asked[1]?.url).toBe('/token?a=b&scope=repository%3Asome%2Fetcd%3Apull')
  })

  test.each([
    ['asks for a password', () => 'Basic realm="x"', '', 'got a demand for credentials'],
    ['has no realm', () => 'Bearer service="x"', '', 'got a demand for credentials'],
    ['names a realm that is none', () => 'Bearer realm="nowhere"', '', 'got a demand for credentials'],
    ['leads to no token', (host: string) => `Bearer realm="http://${host}/other"`, '', 'got no token (status 404)'],
    ['leads to an empty answer', (host: string) => `Bearer realm="http://${host}/token"`, '{}', 'expected a token'],
    [
      'leads to a token that would add a header',
      (host: string) => `Bearer realm="http://${host}/token"`,
      '{"token":"a\\r\\nb"}',
      'expected a token',
    ],
    ['leads to what is no JSON', (host: string) => `Bearer realm="http://${host}/token"`, '<html>', 'answer in JSON'],
    ['leads away from https', () => 'Bearer realm="http://example.com/token"', '', 'a way over http://example.com'],
    ['is repeated', (host: string) => `Bearer realm="http://${host}/token"`, '{"token":"abcd"}', 'got status 401'],
  ])('fails if it %s', async (_, header, token, message) => {
    const server = await challenged(header, token)
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toContain(message)
  })
})

describe('a redirect', () => {
  test('is followed, and takes no token to another server', async () => {
    const other = await start({ '/blob': manifest(index) })
    const server = await start({
      [path]: (request, response) => {
        const isKnown = request.headers.authorization === 'Bearer abc'
        const realm = `Bearer realm="http://${request.headers.host ?? ''}/token"`
        if (isKnown) response.writeHead(307, { location: `http://${other.host}/blob` }).end()
        else response.writeHead(401, { 'www-authenticate': realm }).end()
      },
      '/token': (_, response) => response.end('{"token":"abc"}'),
    })
    expect(await resolveImage(`${server.host}/some/etcd`, 'v1')).toMatchObject({ digest: digestOf(index) })
    expect(other.asked.map(({ url, authorization }) => [url, authorization])).toEqual([['/blob', '']])
  })

  test('on the same server keeps the token and may be relative', async () => {
    const server = await start({
      [path]: (_, response) => response.writeHead(302, { location: '../elsewhere' }).end(),
      '/v2/some/etcd/elsewhere': manifest(index),
    })
    expect(await resolveImage(`${server.host}/some/etcd`, 'v1')).toMatchObject({ digest: digestOf(index) })
  })

  test.each([
    ['in a circle', path, 'got more than 5 redirects'],
    ['away from https', 'http://example.com/blob', 'expected https, got a way over http://example.com'],
    ['out of the web', 'file:///etc/passwd', 'expected https'],
    ['to nowhere', 'http://', 'got a redirect to nowhere'],
  ])('fails if it leads %s', async (_, location, message) => {
    const server = await start({ [path]: (__, response) => response.writeHead(302, { location }).end() })
    expect(await failureOf(resolveImage(`${server.host}/some/etcd`, 'v1'))).toContain(message)
    expect(server.asked.length).toBeLessThanOrEqual(6)
  })
})
