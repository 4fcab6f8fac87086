import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Proxy } from './proxy.ts'

let server: Server
let proxy: Proxy
/** The server's end of the connection that was opened last. */
let far: Socket
const sockets: Socket[] = []

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    sockets.push(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await Proxy.listen({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
})
afterEach(async () => {
  await proxy.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

async function opened(): Promise<Socket> {
  const arrived = once(server, 'connection')
  const socket = connect({ host: proxy.host, port: proxy.port, allowHalfOpen: true })
  socket.on('error', () => undefined)
  sockets.push(socket)
  await once(socket, 'connect')
  ;[far] = (await arrived) as [Socket]
  return socket
}

async function received(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return bytes.toString()
}

/** Whether something arrives within a moment in which it would have passed many times over. */
async function arrives(socket: Socket): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), 60))
  return Promise.race([once(socket, 'data').then(() => true), late])
}

describe('a proxy', () => {
  test('passes bytes and ends both ways', async () => {
    const near = await opened()
    near.write('up')
    expect(await received(far)).toBe('up')
    far.write('down')
    expect(await received(near)).toBe('down')
    near.end()
    await once(far, 'end')
    far.write('still open')
    expect(await received(near)).toBe('still open')
  })

  test('that freezes holds everything back and lets it go later, although the sender is gone', async () => {
    const near = await opened()
    await proxy.set('freeze')
    near.write('late')
    near.end()
    expect(await arrives(far)).toBe(false)
    near.destroy()
    const late = received(far)
    const ended = once(far, 'end')
    await proxy.set('pass')
    expect(await late).toBe('late')
    expect(await Promise.race([ended.then(() => 'ended'), arrives(far)])).toBe(false)
    await ended
  })

  test('that is mute holds back what the client says, and lets the answer to what came before pass', async () => {
    const near = await opened()
    await proxy.set('mute')
    near.write('late')
    far.write('down')
    expect(await received(near)).toBe('down')
    expect(await arrives(far)).toBe(false)
    const late = received(far)
    await proxy.set('pass')
    expect(await late).toBe('late')
  })

  test('that is half-open holds back what the server says, and takes new connections', async () => {
    await proxy.set('half-open')
    const near = await opened()
    near.write('up')
    expect(await received(far)).toBe('up')
    far.write('down')
    expect(await arrives(near)).toBe(false)
  })

  test('that strands loses what the server says on connections that are open, and on no other', async () => {
    const near = await opened()
    proxy.strand()
    near.write('up')
    expect(await received(far)).toBe('up')
    far.write('down')
    expect(await arrives(near)).toBe(false)
    const other = await opened()
    far.write('down')
    expect(await received(other)).toBe('down')
  })

  test('that refuses resets what was connected, and listens again at the same port', async () => {
    const near = await opened()
    const reset = once(near, 'error')
    await proxy.set('refuse')
    expect(((await reset)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET')
    const refused = connect({ host: proxy.host, port: proxy.port })
    expect(((await once(refused, 'error'))[0] as NodeJS.ErrnoException).code).toBe('ECONNREFUSED')
    await proxy.set('pass')
    const again = await opened()
    again.write('up')
    expect(await received(far)).toBe('up')
  })

  test('that cuts resets what is connected and takes new connections', async () => {
    const near = await opened()
    const reset = once(near, 'error')
    proxy.cut()
    await reset
    ;(await opened()).write('up')
    expect(await received(far)).toBe('up')
  })

  test('that delays keeps the order', async () => {
    const near = await opened()
    await proxy.set({ delayMs: 80 })
    const from = performance.now()
    const passed: string[] = []
    far.on('data', (bytes: Buffer) => passed.push(bytes.toString()))
    const ended = once(far, 'end')
    near.write('a')
    near.write('b')
    near.end('c')
    await ended
    expect(passed.join('')).toBe('abc')
    expect(performance.now() - from).toBeGreaterThanOrEqual(75)
  })
})
