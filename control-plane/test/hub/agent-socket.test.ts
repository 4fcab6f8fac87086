import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { AgentMessage } from '@regent/contract/messages.ts'
import { WebSocket, WebSocketServer } from 'ws'
import { AgentSocket } from '../../src/hub/agent-socket.ts'

const servers: WebSocketServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const client of server.clients) client.terminate()
    await new Promise((resolve) => server.close(resolve))
  }
})

interface Pair {
  readonly agent: WebSocket
  readonly socket: AgentSocket
  readonly messages: AgentMessage[]
  /** Types of messages that are not known. */
  readonly unknown: string[]
  readonly closed: Promise<number>
  /** Resolves with the next message that arrives. */
  readonly next: () => Promise<AgentMessage>
}

/** A real WebSocket of an agent and our end of it. */
async function pair({ pingSeconds = 60, autoPong = true } = {}): Promise<Pair> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1024 })
  servers.push(server)
  await once(server, 'listening')
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { autoPong })
  agent.on('error', () => undefined)
  const [ours] = (await once(server, 'connection')) as [WebSocket]
  const messages: AgentMessage[] = []
  const unknown: string[] = []
  const waiting: ((message: AgentMessage) => void)[] = []
  const closed = Promise.withResolvers<number>()
  const socket = new AgentSocket(
    ours,
    {
      onMessage: (message) => {
        messages.push(message)
        waiting.shift()?.(message)
      },
      onUnknown: (type) => unknown.push(type),
      onClosed: closed.resolve,
    },
    { pingSeconds },
  )
  if (agent.readyState !== WebSocket.OPEN) await once(agent, 'open')
  const next = (): Promise<AgentMessage> => new Promise((resolve) => waiting.push(resolve))
  return { agent, socket, messages, unknown, closed: closed.promise, next }
}

const received = { type: 'received', commandId: 'c-1' } as const

test('messages of the protocol travel both ways', async () => {
  const { agent, socket, next } = await pair()
  const arrived = next()
  agent.send(JSON.stringify({ ...received, ofALaterVersion: true }))
  expect(await arrived).toEqual(received)
  const sent = once(agent, 'message')
  socket.send({ type: 'stored', commandId: 'c-1' })
  const [data] = (await sent) as [Buffer]
  expect(JSON.parse(data.toString())).toEqual({ type: 'stored', commandId: 'c-1' })
})

describe('the connection is closed, and nothing of it is taken, for', () => {
  test.each([
    ['what is no JSON', 'register'],
    ['a message without a type', '{"commandId":"c-1"}'],
    ['a type that is no text', '{"type":{"type":"received"}}'],
    ['JSON that is no object', '"received"'],
    ['a field out of bounds', '{"type":"received","commandId":"a/b"}'],
    ['binary frames', Buffer.from(JSON.stringify(received))],
  ])('%s', async (_, sent) => {
    const { agent, messages, closed } = await pair()
    const seen = once(agent, 'close')
    agent.send(sent)
    agent.send(JSON.stringify(received))
    expect((await seen)[0]).toBe(4400)
    await closed
    expect(messages).toEqual([])
  })

  test('a frame that is too large', async () => {
    const { agent, closed } = await pair()
    agent.send('x'.repeat(1025))
    expect(await closed).toBe(1006)
  })
})

test('a type that is not known is told, cut short, and the connection goes on', async () => {
  const { agent, messages, unknown, next } = await pair()
  const arrived = next()
  agent.send('{"type":"shout","commandId":7}')
  agent.send(JSON.stringify({ type: `${'x'.repeat(63)}\u{1F600}` }))
  agent.send(JSON.stringify(received))
  await arrived
  expect(messages).toEqual([received])
  expect(unknown).toEqual(['shout', `${'x'.repeat(63)}\ufffd`])
})

test('a peer that answers no ping is given up after two', async () => {
  const { closed } = await pair({ pingSeconds: 0.05, autoPong: false })
  expect(await closed).toBe(1006)
})

test('a peer that answers pings stays', async () => {
  const { agent, socket, next } = await pair({ pingSeconds: 0.02 })
  for (let ping = 0; ping < 10; ping += 1) await once(agent, 'ping')
  const arrived = next()
  agent.send(JSON.stringify(received))
  expect(await arrived).toEqual(received)
  socket.close(1000, 'done')
})

test('nothing is read while it is paused, and everything after it', async () => {
  const { agent, socket, messages, next } = await pair()
  socket.pause()
  agent.send(JSON.stringify(received))
  // The other direction still works: what comes back proves that ours had time to arrive.
  const sent = once(agent, 'message')
  socket.send({ type: 'stored', commandId: 'c-2' })
  await sent
  expect(messages).toEqual([])
  const arrived = next()
  socket.resume()
  expect(await arrived).toEqual(received)
})

test('fails if the peer does not read: it is given up before its backlog grows without bound', async () => {
  const { agent, socket, closed } = await pair()
  agent.pause()
  const large = { type: 'move', reason: 'x'.repeat(4096) } as const
  for (let burst = 0; burst < 100; burst += 1) {
    for (let sent = 0; sent < 100; sent += 1) socket.send(large)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await closed).toBe(1006)
  agent.terminate()
})

test('a close has a code and a reason that fits, and is told once', async () => {
  const { agent, socket, closed } = await pair()
  const seen = once(agent, 'close')
  socket.close(4409, 'ü'.repeat(200))
  socket.close(4400, 'too late')
  socket.send({ type: 'stored', commandId: 'c-1' })
  const [code, reason] = (await seen) as [number, Buffer]
  expect(code).toBe(4409)
  expect(reason.toString()).toBe('ü'.repeat(61))
  expect(await closed).toBe(4409)
})

test('a peer that does not answer a close is cut off', async () => {
  const { agent, socket, closed } = await pair()
  agent.pause()
  socket.close(1001, 'this pod stops')
  expect(await closed).toBe(1006)
  agent.terminate()
})
