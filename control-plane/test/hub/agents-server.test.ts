import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { connectPath, probePath, subprotocol } from '@regent/contract/messages.ts'
import { WebSocket } from 'ws'
import { AgentsServer, type AgentsServerOptions } from '../../src/hub/agents-server.ts'

type Authenticate = AgentsServerOptions<string>['authenticate']
const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const byHeader: Authenticate = ({ headers }: IncomingMessage) =>
  Promise.resolve(
    headers.authorization === 'Bearer good' ? { identity: 'local' } : { status: 401, message: 'who are you?' },
  )

async function started(authenticate = byHeader, mostConnections = 100) {
  const agents: { socket: WebSocket; identity: string }[] = []
  const server = new AgentsServer<string>({
    address: '127.0.0.1',
    port: 0,
    mostConnections,
    authenticate,
    onAgent: (socket, identity) => agents.push({ socket, identity }),
  })
  const port = await server.listen()
  ends.push(async () => {
    for (const { socket } of agents) socket.terminate()
    await server.close()
  })
  const dial = (path = connectPath, protocols: string[] = [subprotocol], token = 'good'): WebSocket => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
      headers: { authorization: `Bearer ${token}` },
    })
    ends.push(() => socket.terminate())
    return socket
  }
  const ask = (path: string, token = 'good', method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, connection: 'close' },
    })
  return { server, port, agents, dial, ask }
}

/** The status that a handshake was refused with. */
async function refused(socket: WebSocket): Promise<number | undefined> {
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  response.resume()
  return response.statusCode
}

test('an agent that proves who it is gets a WebSocket of the sub-protocol', async () => {
  const { dial, agents } = await started()
  const socket = dial()
  await once(socket, 'open')
  expect(socket.protocol).toBe(subprotocol)
  expect(agents.map(({ identity }) => identity)).toEqual(['local'])
})

test('a standby learns whether it could connect', async () => {
  const { ask, agents } = await started()
  expect((await ask(probePath)).status).toBe(204)
  const denied = await ask(probePath, 'bad')
  expect({ status: denied.status, body: await denied.text() }).toEqual({ status: 401, body: 'who are you?\n' })
  expect(agents).toEqual([])
})

describe('a handshake is refused', () => {
  test.each([
    ['without good credentials', connectPath, [subprotocol], 'bad', 401],
    ['for another path', '/api/v1/agents', [subprotocol], 'good', 404],
    ['without the sub-protocol', connectPath, ['regent.v0'], 'good', 400],
  ] as const)('%s', async (_, path, protocols, token, status) => {
    const { dial, agents } = await started()
    expect(await refused(dial(path, [...protocols], token))).toBe(status)
    expect(agents).toEqual([])
  })

  test('while the store is away, with when to come back', async () => {
    const { dial, ask } = await started(() => Promise.resolve({ status: 503, message: 'etcd is away' }))
    expect(await refused(dial())).toBe(503)
    expect((await ask(probePath)).headers.get('retry-after')).toBe('1')
  })

  test('that comes too often, with when to come back', async () => {
    const { dial, ask } = await started(() =>
      Promise.resolve({ status: 429, message: 'too many', retryAfterSeconds: 7 }),
    )
    expect(await refused(dial())).toBe(429)
    const answer = await ask(probePath)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
  })

  test('from the moment at which the pod stops', async () => {
    const { dial, server, agents } = await started()
    const socket = dial()
    await once(socket, 'open')
    const closing = server.close()
    const late = dial()
    late.on('error', () => undefined)
    await new Promise((resolve) => late.on('close', resolve))
    // The open connection is not the server's to end.
    expect(agents[0]?.socket.readyState).toBe(WebSocket.OPEN)
    agents[0]?.socket.terminate()
    await closing
  })
})

test.each([
  ['GET', connectPath, 426],
  ['GET', '/', 404],
  ['GET', '//x', 404],
  ['POST', probePath, 405],
])('%s %s is answered with %i', async (method, path, status) => {
  const { ask } = await started()
  expect((await ask(path, 'good', method)).status).toBe(status)
})

test('a handshake that never ends is cut off', async () => {
  const { port } = await started()
  const socket = connect(port, '127.0.0.1')
  ends.push(() => void socket.destroy())
  socket.write(`GET ${connectPath} HTTP/1.1\r\nHost`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toContain(' 408 ')
}, 15_000)

describe('a client that keeps its half of the connection open', () => {
  /** Asks for a WebSocket with bad credentials, and never ends what it was answered on. */
  async function refusedHalfOpen(port: number) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    ends.push(() => void socket.destroy())
    const head = [
      `GET ${connectPath} HTTP/1.1`,
      'host: pod',
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
      `sec-websocket-protocol: ${subprotocol}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1.1 401 .*who are you\?\n$/s)
    if (!socket.readableEnded) await once(socket, 'end')
    return socket
  }

  test('holds no connection after it was refused', async () => {
    const { port, dial, agents } = await started(byHeader, 3)
    for (let client = 0; client < 6; client += 1) await refusedHalfOpen(port)
    await once(dial(), 'open')
    expect(agents.length).toBe(1)
  })

  test('does not keep the port from closing, whether it was refused or says nothing', async () => {
    const { port, server } = await started()
    const silent = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    ends.push(() => void silent.destroy())
    await once(silent, 'connect')
    await refusedHalfOpen(port)
    await server.close()
  })
})

test('credentials that are checked slowly do not pile up without bound', async () => {
  const checked = Promise.withResolvers<undefined>()
  const full = Promise.withResolvers<undefined>()
  let checking = 0
  const { dial } = await started(async () => {
    checking += 1
    if (checking === 256) full.resolve(undefined)
    await checked.promise
    return { status: 401, message: 'no' }
  }, 1000)
  const first = Array.from({ length: 256 }, () => refused(dial()))
  await full.promise
  expect(await refused(dial())).toBe(503)
  checked.resolve(undefined)
  expect(new Set(await Promise.all(first))).toEqual(new Set([401]))
  expect(checking).toBe(256)
})
