import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { longestBodyBytes, type ProblemDetails, problemDetails, type Role } from '@regent/contract/api.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'
import { type Answer, type Asked, ServedApi } from './served-api.ts'

describe('a request', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start({ gate: { strangerRate: { perSecond: 1000, burst: 1000 } } })
  })
  afterAll(() => api.close())

  /** Every error is a problem with the same form; its type is the name that callers hold on to. */
  const problemIn = ({ status, headers, body }: Answer): ProblemDetails & { readonly name: string } => {
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    const details = problemDetails.parse(body)
    expect(details.status).toBe(status)
    expect(details.instance).toBe(`urn:regent:request:${headers.get('x-request-id') ?? ''}`)
    return { ...details, name: details.type.replace('https://regent.dev/problems/', '') }
  }
  const refused = async (method: string, path: string, asked?: Asked) => problemIn(await api.ask(method, path, asked))
  /** Sends bytes as they are, and returns all that comes back until the connection is closed. */
  const raw = async (...parts: readonly string[]): Promise<string> => {
    const socket = connect(api.port, '127.0.0.1')
    await once(socket, 'connect')
    for (const part of parts) socket.write(part)
    return text(socket)
  }
  const problemInText = (answer: string): ProblemDetails => {
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toContain('content-type: application/problem+json')
    return problemDetails.parse(JSON.parse(body))
  }

  test('gets an id, its own where that is a plain word', async () => {
    const idOf = async (id: string) =>
      (await api.ask('GET', '/api/v1/whoami', { headers: { 'x-request-id': id } })).headers.get('x-request-id')
    expect(await idOf('my-request.7')).toBe('my-request.7')
    for (const id of ['two words', 'a'.repeat(65), 'a"b', '{}']) expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('is answered with headers that keep it out of caches and pages', async () => {
    const { headers } = await api.ask('GET', '/api/v1/whoami')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('access-control-allow-origin')).toBeNull()
    expect(headers.get('strict-transport-security')).toBeNull()
  })

  test('says who is calling', async () => {
    expect((await api.ask('GET', '/api/v1/whoami', { token: api.tokens.viewer })).body).toEqual({
      name: 'token:the viewer',
      role: 'viewer',
      by: 'token',
    })
  })

  describe('without good credentials', () => {
    test.each<[string, string | undefined]>([
      ['none', undefined],
      ['a token that nobody made', `rgt_${'a'.repeat(16)}_${'a'.repeat(52)}`],
      ['the key of an agent', `rgt_agent_local_${'a'.repeat(16)}_${'a'.repeat(52)}`],
      ['something else', 'password'],
    ])('is refused: %s', async (_, token) => {
      const answer = await api.ask('GET', '/api/v1/agents', { token })
      expect(problemIn(answer).name).toBe('unauthenticated')
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="regent"/)
    })

    test('is refused before its body is read', async () => {
      const head = 'POST /api/v1/agents HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n'
      const answer = await raw(`${head}content-length: 1000000\r\n\r\n{`)
      expect(problemInText(answer)).toMatchObject({ status: 401 })
      expect(answer).toMatch(/connection: close/i)
    })

    test('is refused although its token was good, once that is revoked or over', async () => {
      const tokens = new PeopleTokens(api.store)
      const make = () => tokens.create({ name: 'short', role: 'viewer', by: 'the test', expiresInSeconds: 60 })
      const made = await make()
      expect((await api.ask('GET', '/api/v1/whoami', { token: made.token })).status).toBe(200)
      expect((await api.ask('DELETE', `/api/v1/tokens/${made.tokenId}`)).status).toBe(204)
      expect((await refused('GET', '/api/v1/whoami', { token: made.token })).detail).toContain('not known')
      const later = new PeopleTokens(api.store, { wallMs: () => Date.now() + 60_000, monotonicMs: () => 0 })
      const { token } = await make()
      await expect(later.check(token)).rejects.toMatchObject({ reason: 'expired' })
      expect((await later.list({ limit: 100 }, () => undefined)).tokens.map(({ name }) => name)).not.toContain('short')
    })
  })

  describe('of a role that is too low', () => {
    const needs: readonly (readonly [Role, string, string, unknown])[] = [
      ['viewer', 'GET', '/api/v1/agents', undefined],
      ['viewer', 'GET', '/api/v1/agents/some', undefined],
      ['admin', 'POST', '/api/v1/agents', { agentId: 'by-role' }],
      ['admin', 'POST', '/api/v1/agents/some/approve', undefined],
      ['admin', 'POST', '/api/v1/agents/some/reject', undefined],
      ['admin', 'POST', '/api/v1/agents/some/reset-fence', undefined],
      ['admin', 'DELETE', '/api/v1/agents/some', undefined],
      ['admin', 'GET', '/api/v1/agents/some/keys', undefined],
      ['admin', 'POST', '/api/v1/agents/some/keys', undefined],
      ['admin', 'POST', '/api/v1/agents/some/rotate-keys', undefined],
      ['admin', 'DELETE', '/api/v1/agents/some/keys/abcdefgh', undefined],
      ['admin', 'GET', '/api/v1/tokens', undefined],
      ['admin', 'POST', '/api/v1/tokens', { name: 'n', role: 'admin' }],
      ['admin', 'DELETE', '/api/v1/tokens/abcdefgh', undefined],
    ]

    test.each(needs)('is refused, and of a higher one is not: %s for %s %s', async (role, method, path, body) => {
      for (const [index, own] of (['viewer', 'operator', 'admin'] as const).entries()) {
        const { status } = await api.ask(method, path, { token: api.tokens[own], body })
        if (index < ['viewer', 'operator', 'admin'].indexOf(role)) expect([own, status]).toEqual([own, 403])
        else expect([own, [401, 403].includes(status)]).toEqual([own, false])
      }
    })

    test('says which role it needs', async () => {
      const { detail } = await refused('DELETE', '/api/v1/agents/some', { token: api.tokens.operator })
      expect(detail).toBe("this needs the role 'admin', and yours is 'operator'")
    })
  })

  describe('that is not as the API describes it', () => {
    test('learns everything that is wrong with it at once', async () => {
      const { name, problems } = await refused('POST', '/api/v1/tokens', {
        body: { name: 'a\nb', role: 'root', expiresInSeconds: 1.5, admin: true, __: 1 },
      })
      expect(name).toBe('invalid-request')
      expect(problems?.map(({ path }) => path).toSorted()).toEqual([
        'body.__',
        'body.admin',
        'body.expiresInSeconds',
        'body.name',
        'body.role',
      ])
    })

    test('learns it of path and query as well', async () => {
      expect((await refused('GET', '/api/v1/agents?limit=0&approval=maybe&x=1')).problems).toHaveLength(3)
      expect((await refused('GET', '/api/v1/agents?limit=1&limit=2')).problems).toMatchObject([{ path: 'query.limit' }])
      expect((await refused('GET', '/api/v1/agents/Not_An_Id')).problems).toMatchObject([{ path: 'path.agentId' }])
    })

    test.each(['a/b', '..', '%2e%2e%2ftokens', 'a%00', 'local%2f', '%F0%9F%98%80'])(
      'never reaches another key: %s',
      async (id) => {
        const { status } = await api.ask('GET', `/api/v1/agents/${id}`)
        expect([400, 404]).toContain(status)
      },
    )

    test.each(['!', 'a/', '..', 'A', 'a'.repeat(600)])('brings no cursor: %s', async (cursor) => {
      const { problems } = await refused('GET', `/api/v1/agents?cursor=${cursor}`)
      expect(problems).toMatchObject([{ path: 'query.cursor' }])
    })

    test.each<[string, string | undefined, string, string]>([
      ['no JSON', '{', 'application/json', 'invalid-request'],
      ['nothing', '', 'application/json', 'invalid-request'],
      ['another type', 'a=b', 'application/x-www-form-urlencoded', 'unsupported-media-type'],
      ['text', '{}', 'text/plain', 'unsupported-media-type'],
      ['a prototype', '{"__proto__":{"a":1},"name":"a","role":"admin"}', 'application/json', 'invalid-request'],
      ['a list', '[]', 'application/json', 'invalid-request'],
      ['null', 'null', 'application/json', 'invalid-request'],
    ])('is refused with a body that is %s', async (_, body, type, expected) => {
      expect((await refused('POST', '/api/v1/tokens', { body, headers: { 'content-type': type } })).name).toBe(expected)
    })

    test('is refused with a body where none is expected, but for an empty object', async () => {
      await api.ask('POST', '/api/v1/agents', { body: { agentId: 'bodiless' } })
      expect((await refused('POST', '/api/v1/agents/bodiless/approve', { body: { by: 'me' } })).problems).toHaveLength(
        1,
      )
      expect((await api.ask('POST', '/api/v1/agents/bodiless/approve', { body: {} })).status).toBe(200)
    })

    test('lists at most 50 problems', async () => {
      const body = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field${index}`, 1]))
      expect((await refused('POST', '/api/v1/tokens', { body })).problems).toHaveLength(50)
    })
  })

  describe('that is too large', () => {
    test('is refused by its length', async () => {
      const answer = await api.ask('POST', '/api/v1/tokens', { body: `"${'a'.repeat(longestBodyBytes)}"` })
      expect(problemIn(answer).name).toBe('body-too-large')
    })

    test('is refused as it comes, where it does not say its length', async () => {
      const head = `POST /api/v1/tokens HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${api.tokens.admin}\r\n`
      const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`
      const chunks = Array<string>(17).fill(chunk)
      const answer = await raw(`${head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`, ...chunks)
      expect(problemInText(answer)).toMatchObject({ status: 413 })
    })

    test('in its headers is refused', async () => {
      const answer = await raw(`GET /api/v1/whoami HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(17_000)}\r\n\r\n`)
      expect(problemInText(answer)).toMatchObject({
        status: 431,
        type: 'https://regent.dev/problems/headers-too-large',
      })
    })
  })

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['of an unknown method', 'BREW /api/v1/agents HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['with two lengths', 'POST /api/v1/agents HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    ['without a host', 'GET /api/v1/agents HTTP/1.1\r\nconnection: close\r\n\r\n'],
  ])('that is %s is refused as a problem', async (_, bytes) => {
    expect(problemInText(await raw(bytes))).toMatchObject({ status: 400 })
  })

  test('with a path that cannot be decoded is refused as a problem', async () => {
    expect((await refused('GET', '/api/v1/agents/%E0%A4%A')).name).toBe('invalid-request')
  })

  test('for what is not there is refused as a problem, and with another method names those that there are', async () => {
    expect((await refused('GET', '/nowhere')).name).toBe('not-found')
    expect((await refused('GET', '/api/v1/agents/some/nothing')).name).toBe('not-found')
    for (const [path, allow] of [
      ['/api/v1/agents', 'GET, HEAD, POST'],
      ['/api/v1/agents/some', 'DELETE, GET, HEAD'],
      ['/api/v1/agents/some/approve', 'POST'],
      ['/api/v1/events', 'GET'],
      ['/openapi.json', 'GET, HEAD'],
    ]) {
      const answer = await api.ask('PATCH', path ?? '', { body: {} })
      expect(problemIn(answer).name).toBe('method-not-allowed')
      expect(answer.headers.get('allow')).toBe(allow)
    }
  })

  test('for the head alone gets no body', async () => {
    const { status, text: body, headers } = await api.ask('HEAD', '/api/v1/whoami')
    expect({ status, body }).toEqual({ status: 200, body: '' })
    expect(Number(headers.get('content-length'))).toBeGreaterThan(10)
  })

  test('is counted by the pattern of its path, never by an id', async () => {
    await api.ask('GET', '/api/v1/agents/some-agent-id')
    await api.ask('GET', '/some-path')
    const text = await api.registry.metrics()
    expect(text).toContain('regent_http_requests_total{method="GET",route="/api/v1/agents/:agentId",status="404"}')
    expect(text).toMatch(
      /regent_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/agents\/:agentId"\}/,
    )
    expect(text).toContain('regent_http_requests_total{method="GET",route="none",status="404"}')
    expect(text).not.toContain('some-')
  })

  describe('in the audit log', () => {
    const begun = () => api.audit().length
    let before = 0
    beforeEach(() => {
      before = begun()
    })
    const entries = () => api.audit().slice(before)

    test('is there when it changed something, with who and what', async () => {
      const { headers, body } = await api.ask('POST', '/api/v1/tokens', { body: { name: 'audited', role: 'viewer' } })
      const { tokenId }: { readonly tokenId: string } = body
      expect(entries()).toMatchObject([
        {
          level: 'info',
          request: headers.get('x-request-id'),
          caller: 'token:the admin',
          role: 'admin',
          address: '127.0.0.1',
          method: 'POST',
          route: '/tokens',
          outcome: 'done',
          status: 201,
          subject: `/tokens/${tokenId}`,
        },
      ])
    })

    test('is there when it was refused, and not when it only read', async () => {
      await api.ask('GET', '/api/v1/whoami')
      await api.ask('GET', '/api/v1/agents/unheard-of')
      expect(entries()).toEqual([])
      await api.ask('GET', '/api/v1/tokens', { token: api.tokens.viewer })
      await api.ask('GET', '/api/v1/whoami', { token: undefined })
      await api.ask('DELETE', '/api/v1/agents/unheard-of')
      expect(entries()).toMatchObject([
        { level: 'warn', caller: 'token:the viewer', outcome: 'forbidden' },
        { level: 'warn', caller: 'nobody', outcome: 'unauthenticated' },
        { level: 'warn', caller: 'token:the admin', outcome: 'not-found', subject: '/agents/unheard-of' },
      ])
    })

    test('holds no secret, and nothing that could write a line of its own', async () => {
      const made = await api.ask('POST', '/api/v1/tokens', { body: { name: 'secretive', role: 'viewer' } })
      const { token }: { readonly token: string } = made.body
      await api.ask('GET', '/api/v1/whoami', { token })
      await api.ask('DELETE', '/api/v1/agents/%0a%E2%80%AE{"level":"info"}')
      for (const secret of [token, ...Object.values(api.tokens)]) {
        expect(api.recorded.text()).not.toContain(secret.split('_')[2])
      }
      expect(api.recorded.text()).not.toContain('\u202e')
    })
  })
})
