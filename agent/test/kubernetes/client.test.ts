import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import { CoreV1Api } from '@kubernetes/client-node'
import { refusalIn } from '../../src/kubernetes/api-refusal.ts'
import { cancelledBy } from '../../src/kubernetes/cancelled-by.ts'
import { clientConfig } from '../../src/kubernetes/client.ts'
import { type FakeApiServer, fakeApiServer } from '../election/fake-api-server.ts'

const open: FakeApiServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

const namespace = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'one' } })

async function served(
  answer: (request: IncomingMessage) => { status: number; body: string } | undefined = () => ({
    status: 200,
    body: namespace,
  }),
): Promise<{ server: FakeApiServer; api: CoreV1Api; tokens: (string | undefined)[] }> {
  const tokens: (string | undefined)[] = []
  const server = await fakeApiServer((request, response) => {
    tokens.push(request.headers.authorization)
    const answered = answer(request)
    if (answered === undefined) return
    response.writeHead(answered.status, { 'content-type': 'application/json' }).end(answered.body)
  })
  open.push(server)
  return { server, api: clientConfig(server.api).makeApiClient(CoreV1Api), tokens }
}

test('requests prove themselves with the token of the file, and share connections', async () => {
  const { server, api, tokens } = await served()
  for (let request = 0; request < 20; request += 1) await api.readNamespace({ name: 'one' })
  expect(new Set(tokens)).toEqual(new Set(['Bearer first-token']))
  // The pool opens a second one where an answer was read to its end a moment too late.
  expect(server.connections.length).toBeLessThanOrEqual(2)
})

test('requests go by HTTP/1.1 although the API server would rather have HTTP/2', async () => {
  const { server, api } = await served()
  await api.readNamespace({ name: 'one' })
  expect(server.protocols).toEqual(['http/1.1'])
})

test('a token that was replaced is used by the next request', async () => {
  const { server, api, tokens } = await served()
  await api.readNamespace({ name: 'one' })
  server.writeToken('second-token')
  await api.readNamespace({ name: 'one' })
  expect(tokens).toEqual(['Bearer first-token', 'Bearer second-token'])
})

test('an authority that was replaced is trusted by the next request, and the former one no more', async () => {
  const { server, api } = await served()
  await api.readNamespace({ name: 'one' })
  server.rotate()
  for (const socket of server.connections) socket.destroy()
  await expect(api.readNamespace({ name: 'one' })).resolves.toMatchObject({ metadata: { name: 'one' } })
  server.rotate()
  server.writeAuthority('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n')
  await expect(api.readNamespace({ name: 'one' })).rejects.toThrow()
})

test.each([
  ['10.0.0.1', 'https://10.0.0.1:6443'],
  ['fd00::1', 'https://[fd00::1]:6443'],
  ['kubernetes.default.svc', 'https://kubernetes.default.svc:6443'],
])('the API server at %s is %s', (host, url) => {
  const config = clientConfig({ host, port: 6443, tokenFile: '/token', caFile: '/ca.crt' })
  expect(config.getCurrentCluster()?.server).toBe(url)
})

describe('a request that is given up', () => {
  test('ends when the signal is aborted', async () => {
    const asked = Promise.withResolvers<undefined>()
    const { api } = await served(() => {
      asked.resolve(undefined)
      return undefined
    })
    const given = new AbortController()
    const answer = api.readNamespace({ name: 'one' }, cancelledBy(given.signal, 30))
    await asked.promise
    given.abort(new Error('leading is over'))
    await expect(answer).rejects.toThrow('leading is over')
  })

  test('ends after its time', async () => {
    const { api } = await served(() => undefined)
    const answer = api.readNamespace({ name: 'one' }, cancelledBy(new AbortController().signal, 0.05))
    await expect(answer).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})

describe('a refusal', () => {
  const status = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'you may not' }
  test.each([
    ['of a status that the client knows', 401, status, { status: 401, reason: '', message: '' }],
    ['of one that it does not', 403, status, { status: 403, reason: 'Forbidden', message: 'you may not' }],
    ['without a Status', 500, 'oops', { status: 500, reason: '', message: 'oops' }],
  ])('%s is understood', async (_, code, body, refusal) => {
    const { api } = await served(() => ({ status: code, body: JSON.stringify(body) }))
    const error: unknown = await api.readNamespace({ name: 'one' }).catch((thrown: unknown) => thrown)
    expect(refusalIn(error)).toEqual(refusal)
  })

  test('is none where nobody answered', async () => {
    const { server, api } = await served(() => undefined)
    const answer = api.readNamespace({ name: 'one' }).catch((thrown: unknown) => thrown)
    await server.close()
    open.splice(0)
    expect(refusalIn(await answer)).toBeUndefined()
    for (const other of [undefined, null, 'text', { code: 'ENOENT' }]) expect(refusalIn(other)).toBeUndefined()
  })
})
