import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Check } from '../../health/check.ts'
import { HealthServer } from '../../health/health-server.ts'

const open: HealthServer[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of open.splice(0)) await server.close()
})

interface Started {
  readonly port: number
  readonly ask: (path: string, method?: string) => Promise<{ status: number; body: string; headers: Headers }>
  readonly state: { liveness: readonly Check[]; readiness: readonly Check[]; scrape: () => Promise<string> }
  readonly errors: unknown[]
  readonly server: HealthServer
}

async function started(address = '127.0.0.1'): Promise<Started> {
  const state: Started['state'] = {
    liveness: [{ name: 'event-loop', ok: true, explanation: 'it answers' }],
    readiness: [
      { name: 'synced', ok: true, explanation: 'everything was read' },
      { name: 'staying', ok: true, explanation: 'nobody told it to stop' },
    ],
    scrape: () => Promise.resolve('a_metric 1\n'),
  }
  const errors: unknown[] = []
  const server = new HealthServer({
    address,
    port: 0,
    liveness: () => state.liveness,
    readiness: () => state.readiness,
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => state.scrape() },
    onError: (error) => errors.push(error),
  })
  const port = await server.listen()
  open.push(server)
  const ask: Started['ask'] = async (path, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { connection: 'close' } })
    return { status: response.status, body: await response.text(), headers: response.headers }
  }
  return { port, ask, state, errors, server }
}

test('what fails is named with its reason, and the rest only where somebody asks', async () => {
  const { ask, state } = await started()
  state.readiness = [
    { name: 'synced', ok: false, explanation: 'nothing was read' },
    { name: 'staying', ok: true, explanation: 'nobody told it to stop' },
  ]
  for (const path of ['/readyz', '/healthz']) {
    expect(await ask(path)).toMatchObject({ status: 503, body: '[-] synced: nothing was read\nnot ok\n' })
  }
  expect((await ask('/readyz?verbose')).body).toBe(
    '[-] synced: nothing was read\n[+] staying: nobody told it to stop\nnot ok\n',
  )
  expect(await ask('/livez')).toMatchObject({ status: 200, body: 'ok\n' })
})

describe('what it serves', () => {
  test('metrics have their content type', async () => {
    const { ask } = await started()
    const { status, body, headers } = await ask('/metrics')
    expect({ status, body, type: headers.get('content-type') }).toEqual({
      status: 200,
      body: 'a_metric 1\n',
      type: 'text/plain; version=0.0.4',
    })
  })

  test('a scrape that fails is answered and told, and the next one works', async () => {
    const { ask, state, errors } = await started()
    const works = state.scrape
    state.scrape = () => Promise.reject(new Error('no figures'))
    expect(await ask('/metrics')).toMatchObject({
      status: 500,
      body: expect.not.stringContaining('figures') as unknown,
    })
    expect(errors).toEqual([new Error('no figures')])
    state.scrape = works
    expect((await ask('/metrics')).status).toBe(200)
  })

  test('HEAD is answered without a body', async () => {
    const { ask } = await started()
    const { status, body, headers } = await ask('/readyz', 'HEAD')
    expect({ status, body, length: headers.get('content-length') }).toEqual({ status: 200, body: '', length: '3' })
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s is refused', async (method) => {
    const { ask } = await started()
    const { status, headers } = await ask('/readyz', method)
    expect({ status, allow: headers.get('allow') }).toEqual({ status: 405, allow: 'GET, HEAD' })
  })

  test.each(['/', '/livez/', '/LIVEZ', '/toString', '/__proto__', '/metrics/x', '//'])(
    '%s is not found',
    async (path) => {
      const { ask } = await started()
      expect((await ask(path)).status).toBe(404)
    },
  )
})

/** Sends bytes and returns everything that comes back until the connection is closed. */
async function rawAnswer(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => undefined)
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  socket.write(bytes)
  await once(socket, 'close')
  return received
}

describe('what it bears', () => {
  test('a header that is too large is refused', async () => {
    const { port } = await started()
    expect(await rawAnswer(port, `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(9000)}\r\n\r\n`)).toContain(' 431 ')
  })

  test('a request that never ends is cut off', async () => {
    const { port } = await started()
    const began = Date.now()
    expect(await rawAnswer(port, 'GET /livez HTTP/1.1\r\nHost')).toContain(' 408 ')
    expect(Date.now() - began).toBeLessThan(8000)
  }, 15_000)

  test('connections beyond the most are closed, and do not cost those that are open', async () => {
    const { port } = await started()
    for (let index = 0; index < 64; index += 1) {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => undefined)
      await once(socket, 'connect')
    }
    await expect(rawAnswer(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')).resolves.toBe('')
    const first = sockets[0]
    first?.write('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const [answer] = (await once(first as Socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain(' 200 ')
  })

  test('closing ends open connections, and the port is free again', async () => {
    const { server, port } = await started()
    const idle = connect(port, '127.0.0.1')
    await once(idle, 'connect')
    const ended = once(idle, 'close')
    await server.close()
    await ended
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow()
    open.splice(0)
  })
})

test('it listens on both families', async () => {
  const { port } = await started('::')
  for (const host of ['127.0.0.1', '[::1]']) {
    const response = await fetch(`http://${host}:${port}/livez`).catch((error: unknown) => String(error))
    expect(response).toMatchObject({ status: 200 })
  }
})

test('a port that is taken is an error that says so', async () => {
  const { port } = await started()
  const second = new HealthServer({
    address: '127.0.0.1',
    port,
    liveness: () => [],
    readiness: () => [],
    metrics: { contentType: '', text: () => Promise.resolve('') },
    onError: () => undefined,
  })
  await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
