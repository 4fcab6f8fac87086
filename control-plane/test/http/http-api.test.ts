import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { exitSeconds } from '@regent/contract/election.ts'
import { declaredMetrics } from '@regent/runtime/metrics/declared-metrics.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { EventStreams } from '../../src/http/event-streams.ts'
import { Gate } from '../../src/http/gate.ts'
import { HttpApi } from '../../src/http/http-api.ts'
import { operation } from '../../src/http/operation.ts'
import { StateExports } from '../../src/http/state-exports.ts'
import type { Caller } from '../../src/identity/caller.ts'

const caller: Caller = {
  name: 'somebody',
  role: 'viewer',
  by: 'oidc',
  id: 'oidc:somebody',
  expiresAt: new Date(Date.now() + 3600_000),
}
const noStore = {
  get: () => Promise.reject(new Error('no store')),
  count: () => Promise.reject(new Error('no store')),
  list: () => Promise.reject(new Error('no store')),
  transact: () => Promise.reject(new Error('no store')),
  watch: () => {
    throw new Error('no store')
  },
}

const common = { method: 'GET', tag: 'callers', summary: 'Test', role: 'viewer', status: 200 } as const
const leaked = 'postgres://user:password@host'
let release: (() => void) | undefined
const operations = [
  operation({ ...common, id: 'fail', route: '/fail', handle: () => Promise.reject(new Error(leaked)) }),
  operation({
    ...common,
    id: 'echo',
    method: 'POST',
    route: '/echo',
    body: z.json(),
    answer: z.json(),
    handle: ({ body }) => Promise.resolve(body),
  }),
  operation({
    ...common,
    id: 'wait',
    route: '/wait',
    handle: async () => {
      await new Promise<void>((resolve) => (release = resolve))
      return undefined
    },
  }),
]

describe('the HTTP API', () => {
  const recorded = recordedLog()
  const registry = new Registry()
  const metrics = declaredMetrics(controlPlane.metrics, registry)
  let api: HttpApi
  let port = 0
  const open = new Set<Socket>()
  const make = ({ idleSeconds = 5 } = {}) =>
    HttpApi.create({
      operations,
      events: new EventStreams({ store: noStore, log: recorded.log }),
      exports: new StateExports({ store: noStore, from: 'http://127.0.0.1', log: recorded.log }),
      gate: new Gate({ people: { identify: () => Promise.resolve(caller) }, now: () => performance.now() }),
      log: recorded.log,
      metrics,
      publicUrl: 'http://127.0.0.1',
      limits: { headersSeconds: 0.3, requestSeconds: 0.6, idleSeconds, connections: 5 },
    })
  beforeAll(async () => {
    api = await make()
    port = await api.listen({ address: '127.0.0.1', port: 0 })
  })
  afterAll(async () => {
    for (const socket of open) socket.destroy()
    await api.close()
  })
  beforeEach(() => {
    release = undefined
  })
  const socket = async (): Promise<Socket> => {
    const made = connect(port, '127.0.0.1')
    open.add(made)
    made.once('close', () => open.delete(made))
    made.on('error', () => undefined)
    await once(made, 'connect')
    return made
  }
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${port}/api/v1${path}`, { headers: { authorization: 'Bearer x', connection: 'close' } })

  test('says nothing of what is wrong here, but under which id the log has it', async () => {
    const response = await get('/fail')
    const body = await response.text()
    expect(response.status).toBe(500)
    expect(body).not.toContain('postgres')
    const line = recorded.lines().find(({ event }) => event === 'request-failed')
    expect(body).toContain(`urn:regent:request:${String(line?.['request'])}`)
    expect(JSON.stringify(line)).toContain('Error: postgres')
    expect(recorded.text()).not.toContain('user:password')
  })

  test.each([
    ['headers', 'GET /api/v1/fail HTTP/1.1\r\nhost: a\r\n'],
    [
      'body',
      'POST /api/v1/echo HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ],
  ])('does not wait for ever for the %s of a request', async (_, bytes) => {
    const slow = await socket()
    slow.write(bytes)
    const answer = await text(slow)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('https://regent.dev/problems/request-timeout')
  })

  test('has as many connections as it may, and closes more', async () => {
    const many = await Promise.all(Array.from({ length: 5 }, socket))
    const more = await socket()
    await once(more, 'close')
    expect(await registry.metrics()).toContain('regent_active_connections{kind="people"} 5')
    for (const each of many) each.destroy()
    while (!(await registry.metrics()).includes('regent_active_connections{kind="people"} 0')) await pause(5)
  })

  test('serves callers that expect something of it before they send', async () => {
    const asks = await socket()
    const body = '{"a":1}'
    asks.write(
      `POST /api/v1/echo HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\ncontent-type: application/json\r\nexpect: magic\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    expect(await text(asks)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\{"a":1\}$/)
  })

  test('answers requests that are under way when it closes, and takes no more', async () => {
    const other = await make()
    const otherPort = await other.listen({ address: '127.0.0.1', port: 0 })
    const headers = { authorization: 'Bearer x' }
    const waiting = fetch(`http://127.0.0.1:${otherPort}/api/v1/wait`, { headers })
    while (release === undefined) await pause(5)
    const closed = other.close()
    await expect(fetch(`http://127.0.0.1:${otherPort}/api/v1/fail`, { headers })).rejects.toThrow()
    release()
    expect((await waiting).status).toBe(200)
    await closed
  })

  test('cuts off who takes too long when it closes, two seconds before a stop is given up', async () => {
    const other = await make({ idleSeconds: 600 })
    const otherPort = await other.listen({ address: '127.0.0.1', port: 0 })
    const waiting = fetch(`http://127.0.0.1:${otherPort}/api/v1/wait`, { headers: { authorization: 'Bearer x' } })
    const cutOff = expect(waiting).rejects.toThrow()
    while (release === undefined) await pause(5)
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] })
    const closed = other.close()
    // After the drain, a stop has a second less than what is left of the grace period.
    jest.advanceTimersByTime((exitSeconds - 1 - 2) * 1000)
    jest.useRealTimers()
    await closed
    await cutOff
  })
})
