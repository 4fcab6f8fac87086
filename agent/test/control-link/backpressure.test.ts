import { afterEach, expect, test } from '@jest/globals'
import { mostUnderWay } from '@regent/contract/messages.ts'
import * as z from 'zod/mini'
import { action } from '../../src/control-link/action.ts'
import { comfortablyBufferedBytes, mostBufferedBytes } from '../../src/control-link/connection.ts'
import { mostKeptResults } from '../../src/control-link/outbox.ts'
import { held } from './actions.ts'
import { command } from './command.ts'
import { endAll, linked, turn, waitForLine } from './linked.ts'

afterEach(endAll)

test('of 10 000 commands that a broken control plane pushes, few are taken up, and the rest waits in its own buffers', async () => {
  const { actions, runs } = held()
  const { plane, lead, link } = await linked({ actions })
  lead()
  const peer = await plane.nextRegistered()
  const filling = 'x'.repeat(4000)
  for (let count = 0; count < 10_000; count += 1) {
    peer.say(command(`c-${count}`, { target: `t-${count}`, payload: { name: String(count), filling } }))
  }
  while (runs.length <= mostUnderWay) await turn()
  // Time enough to read it all, if it would.
  for (let count = 0; count < 500; count += 1) await turn()
  expect(runs).toHaveLength(mostUnderWay + 1)
  expect(peer.messages.filter(({ type }) => type === 'received')).toHaveLength(mostUnderWay + 1)
  expect(link.waiting).toBe(0)
  // 40 MB in all: what the sockets between the two hold is a few of them.
  expect(peer.socket.bufferedAmount).toBeGreaterThan(25_000_000)
})

test('reading goes on as soon as there is room, and nothing is skipped', async () => {
  const { actions, next } = held()
  const { plane, lead } = await linked({ actions })
  lead()
  const peer = await plane.nextRegistered()
  const [count, ahead] = [300, 60]
  const say = (index: number): void => peer.say(command(`c-${index}`, { target: `t-${index % 7}` }))
  for (let index = 0; index < ahead; index += 1) say(index)
  const ended = new Set<string>()
  for (let index = 0; index < count; index += 1) {
    ;(await next()).end()
    ended.add((await peer.next('done')).commandId)
    if (index + ahead < count) say(index + ahead)
  }
  expect(ended.size).toBe(count)
})

test('who does not answer while its own commands hold it up is not taken for dead', async () => {
  const { actions, next, runs } = held()
  const { plane, lead } = await linked({ actions, timing: { pingMs: 20 } })
  lead()
  const peer = await plane.nextRegistered()
  for (let index = 0; index < 40; index += 1) peer.say(command(`c-${index}`, { target: `t-${index}` }))
  while (runs.length <= mostUnderWay) await turn()
  let pings = 0
  await new Promise<void>((resolve) => peer.socket.on('ping', () => (pings += 1) === 10 && resolve()))
  for (let index = 0; index < 40; index += 1) (await next()).end()
  for (let index = 0; index < 40; index += 1) await peer.next('done')
  expect(plane.attempts).toBe(1)
})

test('a control plane that stores no results is given no more than it may owe', async () => {
  const { actions } = held()
  const { plane, lead, log } = await linked({ actions })
  plane.onResult = () => undefined
  lead()
  const peer = await plane.nextRegistered()
  for (let index = 0; index <= mostKeptResults + mostUnderWay; index += 1)
    peer.say(command(`c-${index}`, { action: 'echo' }))
  expect(await peer.closed).toBe(1008)
  expect(String((await waitForLine(log, 'link-lost'))['why'])).toContain('64 results wait to be stored')
})

test('results for somebody who does not read them wait here, and all of them arrive', async () => {
  const large = action({ action: 'large', payload: z.unknown(), run: () => Promise.resolve('x'.repeat(500_000)) })
  const { plane, lead } = await linked({ actions: [large] })
  lead()
  const peer = await plane.nextRegistered()
  const count = 30
  expect(count * 500_000).toBeGreaterThan(2 * mostBufferedBytes)
  expect(comfortablyBufferedBytes).toBeLessThan(mostBufferedBytes)
  for (let index = 0; index < count; index += 1) {
    peer.say(command(`c-${index}`, { action: 'large', target: `t-${index}` }))
  }
  peer.socket.pause()
  for (let turns = 0; turns < 500; turns += 1) await turn()
  peer.socket.resume()
  for (let index = 0; index < count; index += 1) await peer.next('done')
  expect(plane.attempts).toBe(1)
})
