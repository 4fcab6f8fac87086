import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { PeerLink } from '../../../src/election/peers/peer-link.ts'
import { answerLine, helloLine } from '../../../src/election/peers/protocol.ts'
import {
  answering,
  atEnd,
  closeAll,
  following,
  impostor,
  leader,
  listening,
  listeningProcess,
  standby,
  targetAt,
} from './peers.ts'

afterEach(closeAll)

const another = { agent: 'test', podUid: 'leader-uid', boot: 'another-boot' }

async function connectedTo(link: PeerLink, port: number): Promise<void> {
  const connected = once(link, 'connected')
  link.follow(targetAt(port))
  await connected
}

/** The first verdict, whichever it is. */
function verdict(link: PeerLink): Promise<string> {
  return new Promise((resolve) => {
    link.once('dead', ({ why }) => resolve(`dead: ${why}`))
    link.once('refuted', ({ why }) => resolve(`refuted: ${why}`))
  })
}

describe('a link to the leader', () => {
  test('tells it who follows, and when that becomes ready', async () => {
    const { listener, port } = await listening()
    const { link } = following()
    await connectedTo(link, port)
    expect(listener.standbys()).toEqual([{ pod: 'standby', ready: false, reaches: false }])
    link.announce(true, false)
    await once(listener, 'standbys')
    expect(listener.standbys()).toEqual([{ pod: 'standby', ready: true, reaches: false }])
    link.announce(true, true)
    await once(listener, 'standbys')
    expect(listener.standbys()).toEqual([{ pod: 'standby', ready: true, reaches: true }])
  })

  test('tells what was announced while it connected', async () => {
    const { listener, port } = await listening()
    const { link } = following()
    link.follow(targetAt(port))
    link.announce(true, false)
    while (listener.standbys()[0]?.ready !== true) await once(listener, 'standbys')
  })

  test('tells what was announced after it said hello and before it was answered', async () => {
    const { link } = following()
    const heard = new Promise<Buffer>((resolve) => {
      void impostor((socket) => {
        socket.once('data', () => {
          link.announce(true, false)
          socket.once('data', resolve)
          socket.write(answerLine(leader))
        })
      }).then(({ port }) => link.follow(targetAt(port)))
    })
    expect((await heard).toString()).toBe(helloLine({ ...standby, ready: true, reaches: false }))
  })

  test('connects as soon as the leader listens', async () => {
    const { port } = await impostor(() => undefined)
    await closeAll()
    const { link, said } = following()
    link.follow(targetAt(port))
    await turn()
    await listening({ port })
    await once(link, 'connected')
    expect(said).toEqual(['connected'])
  })

  test('holds one connection, however often it is told of the same leader', async () => {
    const { sockets, port } = await impostor(answering(leader))
    const { link } = following()
    await connectedTo(link, port)
    link.follow(targetAt(port))
    link.follow(targetAt(port))
    await turn()
    expect(sockets).toHaveLength(1)
    expect(link.isConnected).toBe(true)
  })

  test('lets go of the leader before when it follows another, without a word about it', async () => {
    const first = await listening()
    const second = await listening({ identity: another })
    const { link, said } = following()
    await connectedTo(link, first.port)
    link.follow(targetAt(second.port, another))
    first.listener.close()
    await once(link, 'connected')
    expect(said).toEqual(['connected', 'connected'])
    link.follow(undefined)
    expect(link.isConnected).toBe(false)
  })

  test.each([
    { address: '127.0.0.1', port: 99_999 },
    { address: '127.0.0.1', port: 0 },
    { address: 'name.of.somebody', port: 80 },
  ])('does not fail for an address that somebody wrote on the Lease: %j', async (place) => {
    const { link, said } = following()
    link.follow({ ...targetAt(1), ...place })
    const refuted = verdict(link)
    link.confirm()
    expect(await refuted).toContain('it never answered')
    expect(said).toHaveLength(1)
  })
})

describe('a leader is dead', () => {
  test('when its process was killed: every time, within moments', async () => {
    for (let round = 0; round < 5; round++) {
      const { child, port } = await listeningProcess()
      const { link } = following()
      await connectedTo(link, port)
      const seen = verdict(link)
      child.kill('SIGKILL')
      expect(await seen).toBe(`dead: its connection was closed, and 127.0.0.1:${port} refused`)
      link.close()
    }
  })

  test('when its connection was closed and another process answers at its address', async () => {
    const { sockets, port } = await impostor((socket, count) => answering(count === 1 ? leader : another)(socket))
    const { link } = following()
    await connectedTo(link, port)
    const seen = verdict(link)
    sockets[0]?.destroy()
    expect(await seen).toBe(
      'dead: its connection was closed, and another process answered there: pod UID leader-uid, boot another-boot',
    )
  })

  test('when its connection was reset and nobody listens any more', async () => {
    const { server, sockets, port } = await impostor(answering(leader))
    const { link } = following()
    await connectedTo(link, port)
    const seen = verdict(link)
    server.close()
    sockets[0]?.resetAndDestroy()
    expect(await seen).toMatch(/^dead: .* refused$/)
  })

  test('when it still accepts while it ends, and refuses a moment later', async () => {
    const { server, sockets, port } = await impostor((socket, count) => {
      if (count === 1) answering(leader)(socket)
      else socket.destroy()
      if (count === 3) server.close()
    })
    const { link } = following()
    await connectedTo(link, port)
    const seen = verdict(link)
    sockets[0]?.destroy()
    expect(await seen).toMatch(/^dead: .* refused$/)
  })

  test('at once, however long the leader did not listen at first', async () => {
    const { server, sockets, port } = await impostor((socket, count) => {
      if (count < 5) socket.destroy()
      else answering(leader)(socket)
    })
    const { link } = following({ random: () => 1 - Number.EPSILON })
    await connectedTo(link, port)
    const dead = once(link, 'dead')
    server.close()
    sockets.at(-1)?.destroy()
    const begin = performance.now()
    await dead
    // The next attempt after so many failures would come 400 ms later.
    expect(performance.now() - begin).toBeLessThan(350)
  })

  test('also when that shows only at a later attempt, once', async () => {
    let isSilent = true
    const { server, sockets, port } = await impostor((socket, count) => {
      if (count === 1 || !isSilent) answering(count === 1 ? leader : another)(socket)
    })
    atEnd(() => server.close())
    const { link, said } = following({ confirmMs: 30 })
    await connectedTo(link, port)
    const refuted = verdict(link)
    sockets[0]?.destroy()
    expect(await refuted).toBe('refuted: its connection was closed, but not confirmed: no answer within 30 ms')
    isSilent = false
    await once(link, 'dead')
    const attempts = sockets.length
    while (sockets.length < attempts + 3) await once(server, 'connection')
    expect(said.filter((each) => each.startsWith('dead'))).toHaveLength(1)
  })

  test('when it is asked again, as often as it is asked', async () => {
    const { server, sockets, port } = await impostor(answering(leader))
    const { link } = following()
    await connectedTo(link, port)
    server.close()
    sockets[0]?.destroy()
    await once(link, 'dead')
    for (let round = 0; round < 3; round++) {
      const seen = verdict(link)
      link.confirm()
      expect(await seen).toMatch(/^dead: /)
    }
  })
})

describe('a leader is not dead', () => {
  test('when its process is stopped: its kernel still accepts, and nobody answers', async () => {
    const { child, port } = await listeningProcess()
    const { link, said } = following({ confirmMs: 100 })
    await connectedTo(link, port)
    child.kill('SIGSTOP')
    const probe = connect(port, '127.0.0.1')
    atEnd(() => probe.destroy())
    await once(probe, 'connect')
    expect(said).toEqual(['connected'])
    const seen = verdict(link)
    link.confirm()
    expect(await seen).toMatch(/^refuted: its connection stands/)
  })

  test('when its process is stopped and its connection was reset on the way', async () => {
    const { child, port } = await listeningProcess()
    const cables: Socket[] = []
    const middlebox = await impostor((socket) => {
      const cable = connect(port, '127.0.0.1')
      cable.on('error', () => undefined)
      cables.push(cable)
      socket.pipe(cable).pipe(socket)
    })
    atEnd(() => cables.forEach((cable) => cable.destroy()))
    const { link } = following({ confirmMs: 100 })
    await connectedTo(link, middlebox.port)
    child.kill('SIGSTOP')
    const seen = verdict(link)
    middlebox.sockets[0]?.resetAndDestroy()
    expect(await seen).toBe('refuted: its connection was closed, but not confirmed: no answer within 100 ms')
    const again = once(link, 'connected')
    child.kill('SIGCONT')
    await again
  })

  test('when its connection was closed and the same process answers again', async () => {
    const { sockets, port } = await impostor(answering(leader))
    const { link, said } = following()
    await connectedTo(link, port)
    const again = once(link, 'connected')
    sockets[0]?.resetAndDestroy()
    await again
    expect(said).toEqual([
      'connected',
      'refuted: its connection was closed, but the same process answered again',
      'connected',
    ])
  })

  test.each([
    ['says nothing', () => undefined, 'no answer within 50 ms'],
    ['closes without an answer', (socket: Socket) => void socket.destroy(), 'closed without an answer'],
    ['says garbage', (socket: Socket) => void socket.write('SSH-2.0\r\n'), 'an answer that is none of ours'],
    ['says no end of it', (socket: Socket) => void socket.write('x'.repeat(2000)), 'a line of more than 1024 bytes'],
    [
      'says it too slowly',
      (socket: Socket) => {
        socket.write(answerLine(another).slice(0, 20))
      },
      'no answer within 50 ms',
    ],
  ])('when its connection was closed and whoever listens there %s', async (_, accept, why) => {
    const { sockets, port } = await impostor((socket, count) => {
      if (count === 1) answering(leader)(socket)
      else accept(socket)
    })
    const { link } = following({ confirmMs: 50 })
    await connectedTo(link, port)
    const seen = verdict(link)
    sockets[0]?.destroy()
    expect(await seen).toMatch(/^refuted: its connection was closed, but not confirmed: /)
    expect(await seen).toMatch(new RegExp(`${why}|ECONNRESET`))
  })

  test('as long as nobody answers there, which is said once and asked for on and on', async () => {
    const { server, sockets, port } = await impostor((socket, count) => {
      if (count === 1) answering(leader)(socket)
    })
    const { link, said } = following({ confirmMs: 20, random: () => 0 })
    await connectedTo(link, port)
    sockets[0]?.destroy()
    while (sockets.length < 5) await once(server, 'connection')
    expect(said).toEqual(['connected', 'refuted: its connection was closed, but not confirmed: no answer within 20 ms'])
  })

  test('when it never answered: neither a refusal nor another process says anything', async () => {
    const refusing = await impostor(() => undefined)
    refusing.server.close()
    const { link, said } = following()
    link.follow(targetAt(refusing.port))
    const other = await impostor(answering(another))
    const two = following()
    two.link.follow(targetAt(other.port))
    while (other.sockets.length < 3) await once(other.server, 'connection')
    expect([...said, ...two.said]).toEqual([])
  })

  test('when a listener answers and closes again and again: it is asked less and less often', async () => {
    const { server, sockets, port } = await impostor((socket) => {
      socket.once('data', () => socket.end(answerLine(leader)))
    })
    const { link, said } = following({ random: () => 1 - Number.EPSILON })
    const begin = performance.now()
    link.follow(targetAt(port))
    while (sockets.length < 5) await once(server, 'connection')
    // At once, after 50, 100 and 200 ms.
    expect(performance.now() - begin).toBeGreaterThan(300)
    expect(said.some((each) => each.startsWith('dead'))).toBe(false)
  })

  test('when a storm of connections takes its last free place', async () => {
    const { listener, port } = await listening({ maxConnections: 2 })
    const other = connect(port, '127.0.0.1')
    atEnd(() => other.destroy())
    other.write(helloLine({ ...standby, podUid: 'other', pod: 'other', ready: false }))
    await once(listener, 'standbys')
    const { link, said } = following({ confirmMs: 50 })
    await connectedTo(link, port)
    for (let storm = 0; storm < 20; storm++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'close')
    }
    expect(said).toEqual(['connected'])
  })
})
