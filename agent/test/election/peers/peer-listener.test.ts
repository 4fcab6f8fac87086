import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { PeerListener } from '../../../src/election/peers/peer-listener.ts'
import { answerLine, helloLine } from '../../../src/election/peers/protocol.ts'
import { atEnd, closeAll, leader, listening, standby } from './peers.ts'

afterEach(closeAll)

async function connected(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(port, host)
  atEnd(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** What the other side says until the connection is closed. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.on('error', () => undefined)
  if (!socket.destroyed) await once(socket, 'close')
  return text
}

/** Says hello and waits for the answer. */
async function greeting(port: number, name: string, ready = false): Promise<Socket> {
  const socket = await connected(port)
  socket.write(helloLine({ ...standby, pod: name, podUid: `${name}-uid`, ready }))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toBe(answerLine(leader))
  return socket
}

describe('a listener for peers', () => {
  test('answers a hello with who it is, and keeps the connection', async () => {
    const { port, listener } = await listening({ handshakeMs: 50 })
    const socket = await greeting(port, 'one')
    // A connection that says nothing is closed after the limit: by then the other would have been, too.
    await untilClosed(await connected(port))
    expect(socket.destroyed).toBe(false)
    expect(listener.standbys()).toEqual([{ pod: 'one', ready: false }])
  })

  test('tells who is connected, when that changes and only then', async () => {
    const { port, listener } = await listening()
    const told: unknown[] = []
    listener.on('standbys', (standbys) => told.push(standbys))
    const two = await greeting(port, 'two')
    await greeting(port, 'one', true)
    two.write(helloLine({ ...standby, pod: 'two', podUid: 'two-uid', ready: false }))
    two.write(helloLine({ ...standby, pod: 'two', podUid: 'two-uid', ready: true }))
    await once(listener, 'standbys')
    two.destroy()
    await once(listener, 'standbys')
    expect(told).toEqual([
      [{ pod: 'two', ready: false }],
      [
        { pod: 'one', ready: true },
        { pod: 'two', ready: false },
      ],
      [
        { pod: 'one', ready: true },
        { pod: 'two', ready: true },
      ],
      [{ pod: 'one', ready: true }],
    ])
  })

  test('reads a hello that comes byte by byte', async () => {
    const { port, listener } = await listening()
    const socket = await connected(port)
    socket.setNoDelay(true)
    const answered = once(socket, 'data')
    for (const byte of Buffer.from(helloLine({ ...standby, ready: true }))) {
      await new Promise<unknown>((resolve) => socket.write(Buffer.from([byte]), resolve))
    }
    await answered
    expect(listener.standbys()).toEqual([{ pod: 'standby', ready: true }])
  })

  test('keeps one connection per pod: the newer one', async () => {
    const { port, listener } = await listening()
    const older = await greeting(port, 'one', false)
    const newer = await greeting(port, 'one', true)
    await untilClosed(older)
    expect(newer.destroyed).toBe(false)
    expect(listener.standbys()).toEqual([{ pod: 'one', ready: true }])
  })

  test('refuses the newest when there are too many, and drives out nobody', async () => {
    const { port, listener } = await listening({ maxConnections: 3 })
    const kept = [await greeting(port, 'one'), await greeting(port, 'two'), await greeting(port, 'three')]
    for (let storm = 0; storm < 50; storm++) expect(await untilClosed(connect(port, '127.0.0.1'))).toBe('')
    expect(listener.standbys()).toHaveLength(3)
    kept[0]?.destroy()
    await once(listener, 'standbys')
    await greeting(port, 'four')
  })

  test('survives a storm of connections that come, talk and go', async () => {
    const { port, listener } = await listening()
    await greeting(port, 'steady', true)
    const names = Array.from({ length: 200 }, (_, index) => `storm-${index % 5}`)
    await Promise.all(
      names.map(async (pod) => {
        const socket = connect(port, '127.0.0.1')
        socket.end(helloLine({ ...standby, pod, podUid: pod, ready: true }))
        await untilClosed(socket)
      }),
    )
    while (listener.standbys().length > 1) await once(listener, 'standbys')
    expect(listener.standbys()).toEqual([{ pod: 'steady', ready: true }])
  })

  const garbage: readonly (readonly [string, string])[] = [
    ['garbage', 'GET / HTTP/1.1\r\n\r\n'],
    ['a line without end', 'x'.repeat(2000)],
    ['a line that is too long', helloLine({ ...standby, pod: 'x'.repeat(2000), ready: true })],
    ['a hello of another agent', helloLine({ ...standby, agent: 'other', ready: true })],
  ]
  test.each(garbage)('closes a connection that says %s', async (_, text) => {
    const { port, listener } = await listening()
    const socket = await connected(port)
    socket.write(text)
    expect(await untilClosed(socket)).toBe('')
    expect(listener.standbys()).toEqual([])
  })

  test('closes a connection that says hello as another pod afterwards', async () => {
    const { port, listener } = await listening()
    const socket = await greeting(port, 'one')
    socket.write(helloLine({ ...standby, pod: 'two', podUid: 'two-uid', ready: true }))
    await untilClosed(socket)
    expect(listener.standbys()).toEqual([])
  })

  test('closes a connection that is slower with its hello than allowed', async () => {
    const { port } = await listening({ handshakeMs: 100 })
    const socket = await connected(port)
    const drip = setInterval(() => socket.write(' '), 20)
    atEnd(() => clearInterval(drip))
    expect(await untilClosed(socket)).toBe('')
  })

  test('says that a port is taken, and does not throw', async () => {
    const { port } = await listening()
    const second = new PeerListener({ address: '127.0.0.1', port, identity: leader })
    const failed = once(second, 'error')
    second.listen()
    expect(((await failed) as [Error])[0].message).toContain('EADDRINUSE')
    second.close()
  })

  test('listens where a port was taken, once that is free', async () => {
    const { port, listener: first } = await listening()
    const second = new PeerListener({ address: '127.0.0.1', port, identity: leader })
    atEnd(() => second.close())
    second.on('error', () => undefined)
    second.listen()
    await once(second, 'error')
    await once(second, 'error')
    first.close()
    await once(second, 'listening')
    await greeting(port, 'one')
  })

  test('does not try again once it was closed', async () => {
    const { port, listener: first } = await listening()
    const second = new PeerListener({ address: '127.0.0.1', port, identity: leader })
    second.listen()
    await once(second, 'error')
    second.close()
    first.close()
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })

  test('on every address is reached by both families', async () => {
    const { port } = await listening({ address: '::' })
    for (const host of ['127.0.0.1', '::1']) {
      const socket = await connected(port, host)
      socket.write(helloLine({ ...standby, ready: true }))
      await once(socket, 'data')
    }
  })

  test('once closed, has no connection and no port', async () => {
    const { port, listener } = await listening()
    const socket = await greeting(port, 'one')
    listener.close()
    await untilClosed(socket)
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })
})
