import { afterEach, describe, expect, test } from '@jest/globals'
import { contact, type Contact } from '../../../src/election/peers/connect.ts'
import { answering, atEnd, closeAll, impostor, leader, standby } from './peers.ts'

afterEach(closeAll)

const hello = { ...standby, ready: true }

function outcomeOf(port: number, limitMs = 1000, address = '127.0.0.1'): Promise<Contact> {
  return new Promise((resolve) => contact({ address, port }, () => hello, limitMs, resolve))
}

describe('an attempt to talk to a peer', () => {
  test('is answered by whoever it is', async () => {
    const { port } = await impostor(answering(leader))
    const outcome = await outcomeOf(port)
    expect(outcome).toMatchObject({ kind: 'answered', by: leader })
    if (outcome.kind === 'answered') outcome.socket.destroy()
  })

  test('is refused when nobody listens', async () => {
    const { port } = await impostor(() => undefined)
    await closeAll()
    expect(await outcomeOf(port)).toEqual({ kind: 'refused', why: `127.0.0.1:${port} refused` })
  })

  test('was closed, not refused, when the listener ended before it accepted', async () => {
    const { server, port } = await impostor(() => undefined)
    const outcome = outcomeOf(port)
    // The kernel has completed the handshake by now, and nobody has accepted.
    process.nextTick(() => server.close())
    expect(await outcome).toMatchObject({ kind: 'closed', why: expect.stringContaining('ECONNRESET') as unknown })
  })

  test('is unclear without an answer in time', async () => {
    const { port } = await impostor(() => undefined)
    expect(await outcomeOf(port, 30)).toEqual({ kind: 'unclear', why: 'no answer within 30 ms' })
  })

  test('is unclear when the address is one that nobody can reach', async () => {
    expect(await outcomeOf(80, 30, '255.255.255.255')).toMatchObject({ kind: 'unclear' })
  })

  test('is not made to a name: it would be looked up, and could be anybody', async () => {
    const { port, sockets } = await impostor(answering(leader))
    expect(await outcomeOf(port, 1000, 'localhost')).toEqual({
      kind: 'unclear',
      why: `'localhost' and port ${port} are not an IP address and a port from 1 to 65535`,
    })
    expect(sockets).toEqual([])
  })

  test('has no outcome once it was given up', async () => {
    const { port, sockets, server } = await impostor(answering(leader))
    const outcomes: Contact[] = []
    const attempt = contact(
      { address: '127.0.0.1', port },
      () => hello,
      1000,
      (outcome) => outcomes.push(outcome),
    )
    const accepted = new Promise((resolve) => server.once('connection', resolve))
    await accepted
    attempt.cancel()
    const [socket] = sockets
    atEnd(() => socket?.destroy())
    await new Promise((resolve) => socket?.once('close', resolve))
    expect(outcomes).toEqual([])
  })
})
