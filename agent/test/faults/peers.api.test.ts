import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { reset } from '../support/reset.ts'
import { shortTiming } from './contestant.ts'
import type { Replica } from './replica.ts'
import { scene, type Scene } from './scene.ts'
import { Standstill } from './standstill.ts'
import { killed, takeover, type Fault } from './takeover.ts'
import { describeFaults, wasLeftRunning, withoutTransition } from './expectations.ts'

const leaseMs = shortTiming.leaseDurationSeconds * 1000
/** What a busy machine may add to what is said in renew periods. */
const noiseMs = 2500

/**
 * Expects of evidence that lies: a standby takes over from a leader that lives. Then the leader sees the Lease and
 * stops within a renew period, one leader remains, and nothing that the former wrote afterwards was admitted, which
 * the scene judges at its end.
 */
async function survivesFooling({ field, witness, effects }: Scene, fault: Fault): Promise<void> {
  const former = await field.leader(1)
  const standstill = new Standstill()
  const { leader, word } = await takeover(field, fault, 20)
  expect(word).toMatchObject({ reason: 'peer-evidence' })
  expect(leader.name).not.toBe(former.name)
  await waitFor('the former leader to stop', () => !former.believesToLead, { seconds: 10, everyMilliseconds: 5 })
  wasLeftRunning(former)
  const mostMs = shortTiming.retryPeriodSeconds * 1000 + noiseMs + standstill.stop()
  expect((former.heard.at(-1)?.atMs ?? NaN) - word.atMs).toBeLessThan(mostMs)
  expect(witness.overlapMs).toBeLessThan(mostMs)
  const admitted = effects.accepted.length
  await waitFor('effects of the new leader', () => effects.accepted.length > admitted + 5, { seconds: 10 })
  expect((await field.leader(5)).name).toBe(leader.name)
  console.log(`fooled: two acted for ${witness.overlapMs.toFixed(0)} ms, ${witness.refused.length} effects refused`)
}

/** A process at the leader's address that is another start of an agent. */
async function impostor(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write('{"v":1,"agent":"local","podUid":"another-pod","boot":"another-boot"}\n'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Connects, says something or nothing, and lets go: again and again, for so long. */
async function storm({ place: { listenAddress } }: Replica, milliseconds: number): Promise<number> {
  let connections = 0
  const words = ['', 'GET / HTTP/1.1\r\n\r\n', '{"v":1}\n', 'x'.repeat(5000), '\0\n\n\n']
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    const sockets = Array.from({ length: 40 }, () => {
      const socket = connect(8081, listenAddress)
      socket.on('error', () => undefined)
      socket.write(words[connections++ % words.length] ?? '')
      return socket
    })
    await pause(20)
    for (const socket of sockets) reset(socket)
  }
  return connections
}

describeFaults('attacks on the evidence of peers', () => {
  test('resets that are injected are refuted: the leader answers again', () =>
    scene({ peerProxied: true }, ({ field }) =>
      withoutTransition(field, async () => {
        for (let cut = 0; cut < 20; cut++) {
          for (const { peerProxy } of field.replicas) peerProxy.cut()
          await pause(leaseMs / 20)
        }
      }),
    ))

  test('a peer port that takes connections and never answers is no death', () =>
    scene({ peerProxied: true }, ({ field }) =>
      withoutTransition(field, async () => {
        const { peerProxy } = await field.leader(1)
        await peerProxy.set('freeze')
        peerProxy.cut()
        await pause(leaseMs)
      }),
    ))

  test('a middlebox that resets and rejects fools the standbys, and no fence', () =>
    scene({ peerProxied: true }, (played) =>
      survivesFooling(played, async ({ peerProxy }) => {
        await peerProxy.set('refuse')
        return performance.now()
      }),
    ))

  test('an address that another process answers at fools the standbys, and no fence', async () => {
    const other = await impostor()
    try {
      await scene({ peerProxied: true }, (played) =>
        survivesFooling(played, ({ peerProxy }) => {
          peerProxy.retarget({ host: '127.0.0.1', port: other.port })
          peerProxy.cut()
          return performance.now()
        }),
      )
    } finally {
      await other.close()
    }
  })

  test('a leader that is stopped is not taken for dead by its peers: the Lease decides', () =>
    scene({}, async ({ field }) => {
      const former = await field.leader(1)
      const { word, milliseconds } = await takeover(field, () => former.signal('SIGSTOP'), 20)
      expect(word).toMatchObject({ reason: 'expired' })
      expect(milliseconds).toBeGreaterThan(leaseMs / 2)
      former.signal('SIGCONT')
      await waitFor('the former leader to give in', () => !former.believesToLead, { seconds: 10 })
    }))

  test('a storm of connections costs no leadership, and a death is seen all the same', () =>
    scene({}, async ({ field }) => {
      await withoutTransition(field, async () => {
        expect(await storm(await field.leader(1), leaseMs)).toBeGreaterThan(500)
      })
      const { word } = await takeover(field, killed, 20)
      expect(word).toMatchObject({ reason: 'peer-evidence' })
    }))
})
