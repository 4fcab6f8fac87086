import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { ApiConnection, type ApiAnswer, type ApiConnectionOptions } from '../../src/election/api-server.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function serving(
  listener: RequestListener,
  options?: ApiConnectionOptions & { readonly host?: string },
): Promise<{ readonly server: FakeApiServer; readonly connection: ApiConnection }> {
  const server = await fakeApiServer(listener, options?.host)
  const connection = new ApiConnection(server.api, options)
  closing.push(
    () => server.close(),
    () => connection.close(),
  )
  return { server, connection }
}

const lease: RequestListener = (_, response) => void response.end('{"kind":"Lease"}')
const get = { method: 'GET', path: '/lease', timeoutSeconds: 5 } as const

function why(answer: ApiAnswer): string {
  return answer.kind === 'failure' ? answer.why : `answered: ${JSON.stringify(answer)}`
}

describe('a request to the API server', () => {
  test('brings back the status and the object', async () => {
    const { connection } = await serving(lease)
    expect(await connection.request(get)).toMatchObject({ kind: 'answer', status: 200, body: { kind: 'Lease' } })
  })

  test('sends what it is given', async () => {
    const seen: unknown[] = []
    const { connection } = await serving((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.on('end', () => {
        const { authorization, 'content-type': type, 'user-agent': agent } = request.headers
        seen.push([request.method, request.url, authorization, type, agent, text])
        response.end('{}')
      })
    })
    await connection.request({ ...get, method: 'PUT', path: '/a?b=c', body: { holder: 'ä' } })
    const body = '{"holder":"ä"}'
    expect(seen).toEqual([['PUT', '/a?b=c', 'Bearer first-token', 'application/json', 'regent-agent/election', body]])
  })

  test('starts, for the clock, before anything is sent', async () => {
    let clock = 0
    const now = (): { monotonicMs: number; wallMs: number } => ({ monotonicMs: ++clock, wallMs: 0 })
    const { connection } = await serving(
      (request, response) => {
        now()
        lease(request, response)
      },
      { clock: { now } },
    )
    expect((await connection.request(get)).startedAt.monotonicMs).toBe(1)
  })

  test('reaches a server by its IPv6 address', async () => {
    const hosts: (string | undefined)[] = []
    const { server, connection } = await serving(
      (request, response) => {
        hosts.push(request.headers.host)
        lease(request, response)
      },
      { host: '::1' },
    )
    expect(await connection.request(get)).toMatchObject({ status: 200 })
    expect(hosts).toEqual([`[::1]:${server.api.port}`])
  })

  test('passes on what the API server refuses', async () => {
    const status = { kind: 'Status', code: 409, reason: 'Conflict' }
    const { connection } = await serving((_, response) => void response.writeHead(409).end(JSON.stringify(status)))
    expect(await connection.request(get)).toMatchObject({ kind: 'answer', status: 409, body: status })
  })
})

describe('the connection', () => {
  test('is one for requests that follow each other, and for requests at once', async () => {
    const { server, connection } = await serving(lease)
    await connection.request(get)
    await Promise.all([connection.request(get), connection.request(get), connection.request(get)])
    expect(server.connections).toHaveLength(1)
  })

  test('is destroyed when a request runs out of time, so that the next one has a fresh one', async () => {
    let isStuck = true
    const { server, connection } = await serving((request, response) => {
      if (!isStuck) lease(request, response)
    })
    expect(why(await connection.request({ ...get, timeoutSeconds: 0.1 }))).toBe('no answer within 0.1 s')
    isStuck = false
    expect(await connection.request(get)).toMatchObject({ status: 200 })
    expect(server.connections).toHaveLength(2)
    const [first] = server.connections
    if (first?.destroyed === false) await once(first, 'close')
  })

  test('that is stuck does not take the time of a request that waits for it', async () => {
    let requests = 0
    const { connection } = await serving((request, response) => {
      if (++requests > 1) lease(request, response)
    })
    const stuck = connection.request({ ...get, timeoutSeconds: 0.1 })
    const waiting = connection.request(get)
    expect(await stuck).toMatchObject({ kind: 'failure' })
    expect(await waiting).toMatchObject({ status: 200 })
  })

  test('that was idle for too long is not used again', async () => {
    const { server, connection } = await serving(lease, { idleSeconds: 0.05 })
    await connection.request(get)
    const [first] = server.connections
    if (first?.destroyed === false) await once(first, 'close')
    await connection.request(get)
    expect(server.connections).toHaveLength(2)
  })

  test('once closed, ends what runs and refuses what comes', async () => {
    const { server, connection } = await serving(() => undefined)
    const running = connection.request(get)
    const [socket] = server.connections.length > 0 ? server.connections : []
    if (socket === undefined) await new Promise((resolve) => setImmediate(resolve))
    connection.close()
    expect(why(await running)).toBe('the connection was closed here')
    expect(why(await connection.request(get))).toBe('the connection was closed here')
  })
})

describe('credentials', () => {
  test('are read again: the token for every request, the authority for every connection', async () => {
    const tokens: (string | undefined)[] = []
    const { server, connection } = await serving((request, response) => {
      tokens.push(request.headers.authorization)
      lease(request, response)
    })
    await connection.request(get)
    server.writeToken('second-token')
    await connection.request(get)
    expect(tokens).toEqual(['Bearer first-token', 'Bearer second-token'])
    server.rotate()
    expect(await connection.request(get)).toMatchObject({ status: 200 })
    expect(server.connections).toHaveLength(2)
  })

  test('of another authority are refused', async () => {
    const { connection } = await serving(lease)
    const other = await serving(lease)
    const api = { ...other.server.api, caFile: '' }
    const stranger = new ApiConnection({ ...api, caFile: (await serving(lease)).server.api.caFile })
    closing.push(() => stranger.close())
    expect(why(await stranger.request(get))).toMatch(/self-signed certificate|unable to verify/)
    expect(await connection.request(get)).toMatchObject({ status: 200 })
  })

  test.each([
    ['', 'is empty; mount'],
    ['two words', 'is not one word of printable characters'],
    ['se\ncret', 'is not one word of printable characters'],
    ['geheim-ü', 'is not one word of printable characters'],
  ])('that cannot be a token are named by their file, not repeated: %j', async (token, message) => {
    const { server, connection } = await serving(lease)
    server.writeToken(token)
    const answer = why(await connection.request(get))
    expect(answer).toContain(message)
    expect(answer).toContain(server.api.tokenFile)
    if (token !== '') expect(answer).not.toContain(token)
  })

  test('that are missing are named with what to do', async () => {
    const { server, connection } = await serving(lease)
    unlinkSync(server.api.tokenFile)
    const { tokenFile } = server.api
    expect(why(await connection.request(get))).toBe(
      `the token ${tokenFile} cannot be read (ENOENT); mount the pod's ServiceAccount there`,
    )
  })
})

describe('what is no answer of the API server', () => {
  const half: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"kind":')
    setImmediate(() => response.destroy())
  }
  const cases: readonly (readonly [string, RequestListener, RegExp])[] = [
    ['no JSON', (_, response) => void response.end('<html>'), /status 200 with a body that is no JSON/],
    ['nothing', (_, response) => void response.end(), /status 200 with a body that is no JSON/],
    ["a proxy's 404", (_, response) => void response.writeHead(404).end('{}'), /status 404 without a Status object/],
    ['a redirect', (_, response) => void response.writeHead(302, { location: '/' }).end('{}'), /status 302/],
    ['too long', (_, response) => void response.end(`"${'x'.repeat(200)}"`), /more than 100 bytes/],
    ['half of one', half, /aborted|hang up|ended before/],
    ['no HTTP', (request) => void request.socket.end('SSH-2.0\r\n'), /Parse Error/],
    ['a closed connection', (request) => void request.socket.destroy(), /hang up|ECONNRESET/],
  ]
  test.each(cases)('fails: %s', async (_, listener, message) => {
    const { connection } = await serving(listener, { maxAnswerBytes: 100 })
    expect(why(await connection.request(get))).toMatch(message)
  })

  test('fails in time when an answer begins and does not end', async () => {
    const { connection } = await serving((_, response) => void response.writeHead(200).write('{'))
    expect(why(await connection.request({ ...get, timeoutSeconds: 0.1 }))).toBe('no answer within 0.1 s')
  })

  test('fails at once when nobody listens', async () => {
    const { server } = await serving(lease)
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    const connection = new ApiConnection({ ...server.api, port })
    closing.push(() => connection.close())
    expect(why(await connection.request(get))).toContain('ECONNREFUSED')
  })

  test('fails in time when the handshake of TLS hangs', async () => {
    const { server } = await serving(lease)
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    closing.push(() => silent.close())
    const connection = new ApiConnection({ ...server.api, port: (silent.address() as AddressInfo).port })
    closing.push(() => connection.close())
    expect(why(await connection.request({ ...get, timeoutSeconds: 0.1 }))).toBe('no answer within 0.1 s')
  })
})
