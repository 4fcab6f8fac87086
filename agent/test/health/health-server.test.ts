import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { stalledAfterSeconds } from '../../src/health/checks.ts'
import { HealthServer } from '../../src/health/health-server.ts'
import { ScriptedElection } from '../support/scripted-election.ts'

const open: HealthServer[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of open.splice(0)) await server.close()
})

interface Started {
  readonly election: ScriptedElection
  readonly port: number
  readonly ask: (path: string, method?: string) => Promise<{ status: number; body: string; headers: Headers }>
  readonly state: { stopping: boolean; scrape: () => Promise<string> }
  readonly errors: unknown[]
  readonly server: HealthServer
}

async function started(address = '127.0.0.1'): Promise<Started> {
  const election = new ScriptedElection()
  const state = { stopping: false, scrape: () => Promise.resolve('a_metric 1\n') }
  const errors: unknown[] = []
  const server = new HealthServer({
    address,
    port: 0,
    observe: () => ({ election, stopping: state.stopping }),
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => state.scrape() },
    onError: (error) => errors.push(error),
  })
  const port = await server.listen()
  open.push(server)
  const ask: Started['ask'] = async (path, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { connection: 'close' } })
    return { status: response.status, body: await response.text(), headers: response.headers }
  }
  return { election, port, ask, state, errors, server }
}

test('every path that the kubelet asks is answered', async () => {
  const { ask } = await started()
  for (const { path } of Object.values(agent.probes)) expect((await ask(path)).status).toBe(200)
})

test('a standby is ready', async () => {
  const { ask } = await started()
  expect(await ask('/readyz')).toMatchObject({ status: 200, body: 'ok\n' })
})

describe('liveness', () => {
  test('fails for an elector that hangs, and only then', async () => {
    const { ask, election } = await started()
    election.silentSeconds = stalledAfterSeconds
    expect((await ask('/livez')).status).toBe(200)
    election.silentSeconds = stalledAfterSeconds + 0.1
    expect(await ask('/livez')).toMatchObject({
      status: 503,
      body: '[-] elector: no sign of life for 10.1 s, expected one within 10 s; its thread hangs, and the kubelet restarts the container\nnot ok\n',
    })
  })

  test.each([
    { role: 'suspended' },
    { role: 'starting', synced: false, prepared: false },
    { role: 'draining' },
    { role: 'stopped' },
    { obstacle: 'the API server refuses `watch` of the Lease' },
  ] as const)('does not fail for what a restart cannot mend: %j', async (status) => {
    const { ask, election } = await started()
    election.become(status)
    expect((await ask('/livez')).status).toBe(200)
  })
})

describe('readiness', () => {
  const obstacle =
    'the API server refuses `update` of the Lease regent-agent-local; grant it in the Role regent-agent-local'
  test.each([
    ['while the Lease was not read', { synced: false }, '[-] synced: the Lease was not read yet'],
    ['while a work prepares', { prepared: false }, '[-] prepared: a work of the leader is still preparing'],
    ['with an obstacle, and names it', { obstacle }, `[-] unobstructed: ${obstacle}`],
    ['while the leader hands over', { role: 'draining' }, '[-] staying: this leader hands over'],
    ['once the election is over', { role: 'stopped' }, '[-] staying: this process was told to stop'],
  ] as const)('fails %s', async (_, status, reason) => {
    const { ask, election } = await started()
    election.become(status)
    for (const path of ['/readyz', '/healthz']) {
      const { status: code, body } = await ask(path)
      expect({ code, body }).toEqual({ code: 503, body: expect.stringContaining(reason) as unknown })
    }
  })

  test('fails from the moment at which the process is told to stop', async () => {
    const { ask, state } = await started()
    state.stopping = true
    expect((await ask('/readyz')).status).toBe(503)
  })

  test.each([{ role: 'leading' }, { role: 'suspended' }, { role: 'standby' }, { cordoned: true }] as const)(
    'does not fail: %j',
    async (status) => {
      const { ask, election } = await started()
      election.become(status)
      expect((await ask('/readyz')).status).toBe(200)
    },
  )
})

test('verbose explains every check in words', async () => {
  const { ask, election } = await started()
  election.become({ role: 'suspended', holder: 'regent-agent-local-1_uid_boot', cordoned: true })
  expect((await ask('/readyz?verbose')).body).toBe(
    [
      '[+] synced: the Lease was read; held by regent-agent-local-1_uid_boot',
      '[+] prepared: every work of the leader is prepared here',
      '[+] unobstructed: nothing keeps this replica from competing',
      '[+] staying: this replica holds the Lease but could not renew it: no work runs until the API server answers; it was told to stand aside and does not compete',
      'ok',
      '',
    ].join('\n'),
  )
  expect((await ask('/livez?verbose')).body).toBe(
    '[+] event-loop: it answers\n[+] elector: its last sign of life is 0.0 s old\nok\n',
  )
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
    observe: () => ({ election: new ScriptedElection(), stopping: false }),
    metrics: { contentType: '', text: () => Promise.resolve('') },
    onError: () => undefined,
  })
  await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
