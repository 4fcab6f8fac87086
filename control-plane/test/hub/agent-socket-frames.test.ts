import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { agentMessage, type AgentMessage, closeCodes } from '@regent/contract/messages.ts'
import { acceptedBy, anyJson } from '@regent/contract/test/support/accepted-by.ts'
import { damagedJson, damagedText } from '@regent/contract/test/support/damaged.ts'
import { refusedBy } from '@regent/contract/test/support/refused-by.ts'
import fc from 'fast-check'
import { WebSocket, WebSocketServer } from 'ws'
import { AgentSocket } from '../../src/hub/agent-socket.ts'

// A failure prints its seed: give it to `fc.assert` to see it again.

const largestBytes = 64 * 1024
/** Codes by which RFC 6455 ends a connection: broken frames, text that is no UTF-8, too large, or cut off. */
const ofWebSockets = [1002, 1007, 1009, 1006]
const last = { type: 'received', commandId: 'the-last' } as const

/** What came of one connection. */
interface Heard {
  readonly taken: (AgentMessage | { readonly unknown: string })[]
  /** How it ended at our end. */
  readonly closed: Promise<number>
  /** Resolves with the last message, or with the end. */
  readonly over: Promise<unknown>
}

let server: WebSocketServer
const heard: ((heard: Heard) => void)[] = []
beforeAll(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: largestBytes, perMessageDeflate: false })
  server.on('connection', (socket) => {
    const taken: Heard['taken'] = []
    const closed = Promise.withResolvers<number>()
    const lastCame = Promise.withResolvers<undefined>()
    new AgentSocket(socket, {
      onMessage: (message) => {
        taken.push(message)
        if (message.type === 'received' && message.commandId === last.commandId) lastCame.resolve(undefined)
      },
      onUnknown: (unknown) => taken.push({ unknown }),
      onClosed: closed.resolve,
    })
    heard.shift()?.({ taken, closed: closed.promise, over: Promise.race([closed.promise, lastCame.promise]) })
  })
  await once(server, 'listening')
})
afterAll(async () => {
  for (const client of server.clients) client.terminate()
  await new Promise((resolve) => server.close(resolve))
})

const port = (): number => (server.address() as AddressInfo).port

interface Frame {
  readonly data: string | Buffer
  /** What it is taken for; absent: the connection is closed for it. */
  readonly taken?: Heard['taken'][number]
}

interface Sent extends Frame {
  /** Where the frame is cut, as shares of its length: its parts are frames of the WebSocket. */
  readonly cuts: readonly number[]
}

/** Sends frames and then the last message. @returns what was taken, and the code that the agent was told, if any */
async function exchange(frames: readonly Sent[]): Promise<{ taken: Heard['taken']; code: number | undefined }> {
  const arrived = new Promise<Heard>((resolve) => heard.push(resolve))
  const agent = new WebSocket(`ws://127.0.0.1:${port()}`, { perMessageDeflate: false })
  agent.on('error', () => undefined)
  const told = Promise.withResolvers<number>()
  agent.on('close', told.resolve)
  await once(agent, 'open')
  const { taken, over, closed } = await arrived
  for (const { data, cuts } of [...frames, { data: JSON.stringify(last), cuts: [] }]) {
    const bytes = Buffer.from(data)
    const binary = typeof data !== 'string'
    const ends = [...cuts.map((share) => Math.floor(share * bytes.length)).sort((one, other) => one - other)]
    let from = 0
    for (const to of ends) {
      agent.send(bytes.subarray(from, to), { fin: false, binary })
      from = to
    }
    agent.send(bytes.subarray(from), { binary })
  }
  const end = await over
  const code = end === undefined ? undefined : await told.promise
  agent.terminate()
  await closed
  return { taken, code }
}

/** What a text must be taken for. */
function understood(text: string): Frame['taken'] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const read = agentMessage.safeParse(json)
  if (read.success) return read.data
  const type: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, 'type') : undefined
  const known = agentMessage.def.options.flatMap((option) => [...option.shape.type.def.values])
  return typeof type !== 'string' || known.some((each) => each === type)
    ? undefined
    : { unknown: type.slice(0, 64).toWellFormed() }
}

const texts = fc.oneof(
  acceptedBy(agentMessage).map((message) => JSON.stringify(message)),
  damagedJson(acceptedBy(agentMessage)).map((message) => JSON.stringify(message)),
  damagedText(acceptedBy(agentMessage).map((message) => JSON.stringify(message))),
  refusedBy(agentMessage).map(({ value }) => JSON.stringify(value)),
  fc.tuple(fc.string({ unit: 'binary' }), anyJson).map(([type, field]) => JSON.stringify({ type: `${type}~`, field })),
  fc.json(),
  fc.string({ unit: 'binary' }),
)
const frames = fc.oneof(
  {
    weight: 9,
    // As it arrives: what is no character is replaced on the way.
    arbitrary: texts.map((text): Frame => {
      const data = text.toWellFormed()
      const taken = understood(data)
      return taken === undefined ? { data } : { data, taken }
    }),
  },
  texts.map((text): Frame => ({ data: Buffer.from(text) })),
)
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 })
const sequence = fc.array(
  fc.tuple(frames, cuts).map(([frame, at]): Sent => ({ ...frame, cuts: at })),
  { maxLength: 5 },
)

describe('whatever an agent sends', () => {
  test('is taken as what it is, in its order, until the first that is no message closes the connection', async () => {
    const ended = { well: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(sequence, async (sent) => {
        const { taken, code } = await exchange(sent)
        const wrong = sent.findIndex((frame) => frame.taken === undefined)
        const sound = wrong === -1 ? [...sent, { taken: last }] : sent.slice(0, wrong)
        expect(taken).toEqual(sound.map((frame) => frame.taken))
        expect(code).toBe(wrong === -1 ? undefined : closeCodes.unexpectedMessage)
        ended[wrong === -1 ? 'well' : 'refused'] += 1
      }),
      { numRuns: 150 },
    )
    expect(Math.min(ended.well, ended.refused)).toBeGreaterThan(5)
  })

  test('closes the connection where it is no UTF-8, or too large', async () => {
    const noText = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from([...bytes, 0xff]))
    const tooLarge = fc
      .integer({ min: largestBytes + 1, max: 2 * largestBytes })
      .map((bytes) => Buffer.alloc(bytes, 'x'))
    await fc.assert(
      fc.asyncProperty(fc.oneof(noText, tooLarge), async (bytes) => {
        const arrived = new Promise<Heard>((resolve) => heard.push(resolve))
        const agent = new WebSocket(`ws://127.0.0.1:${port()}`, { perMessageDeflate: false })
        agent.on('error', () => undefined)
        const told = new Promise<number>((resolve) => agent.on('close', resolve))
        await once(agent, 'open')
        const { taken, closed } = await arrived
        agent.send(bytes, { binary: false })
        expect(await told).toBe(bytes.length > largestBytes ? 1009 : 1007)
        await closed
        expect(taken).toEqual([])
      }),
      { numRuns: 40 },
    )
  })

  test('closes the connection where it is no frame, and nothing else ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const arrived = new Promise<Heard>((resolve) => heard.push(resolve))
        const socket = connect(port(), '127.0.0.1')
        socket.on('error', () => undefined)
        socket.write(
          'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        )
        socket.resume()
        const { taken, closed } = await arrived
        socket.end(bytes)
        expect([...ofWebSockets, 1005, closeCodes.unexpectedMessage]).toContain(await closed)
        expect(taken).toEqual([])
        socket.destroy()
      }),
      { numRuns: 100 },
    )
  })
})
