import { afterEach, describe, expect, test } from '@jest/globals'
import { closeCodes, largestMessageBytes } from '@regent/contract/messages.ts'
import { endAll, linked, noWait, turn, waitForLine } from './linked.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

afterEach(endAll)

describe('a control plane that breaks the protocol is left, and tried again:', () => {
  test.each([
    ['no JSON', 'hello', 'something that is no JSON'],
    ['no type', '{}', 'a message without a type'],
    ['a command without a target', '{"type":"command","commandId":"a"}', "a malformed 'command'"],
    ['a second answer', '{"type":"registered","connectionId":"b","heartbeatIntervalSeconds":30}', 'registered twice'],
  ])('%s', async (_, text, words) => {
    const { plane, lead, log } = await linked()
    lead()
    const peer = await plane.nextRegistered()
    peer.socket.send(text)
    expect(await peer.closed).toBe(closeCodes.unexpectedMessage)
    await plane.nextRegistered()
    expect(String((await waitForLine(log, 'link-lost'))['why'])).toContain(words)
  })

  test('a binary frame', async () => {
    const { plane, lead } = await linked()
    lead()
    const peer = await plane.nextRegistered()
    peer.socket.send(Buffer.from('{"type":"move","reason":""}'))
    expect(await peer.closed).toBe(closeCodes.unexpectedMessage)
    await plane.nextRegistered()
  })

  test('a frame that is too large', async () => {
    const { plane, lead } = await linked()
    lead()
    const peer = await plane.nextRegistered()
    peer.socket.send('x'.repeat(largestMessageBytes + 1))
    expect(await peer.closed).toBe(1009)
    await plane.nextRegistered()
  })

  test('a command before the registration is answered', async () => {
    const { plane, lead } = await linked()
    plane.onRegister = (peer) => peer.say({ type: 'cancel', commandId: 'early' })
    lead()
    expect(await (await plane.nextPeer()).closed).toBe(closeCodes.unexpectedMessage)
  })

  test('no answer to the registration', async () => {
    const { plane, lead, log } = await linked({ timing: { registerMs: 50 } })
    plane.onRegister = () => undefined
    lead()
    await (
      await plane.nextPeer()
    ).closed
    expect(String((await waitForLine(log, 'link-failed'))['why'])).toBe(
      'the registration was not answered within 0.05 s',
    )
  })
})

test('a message of a type that only newer versions know is no mistake, nor is a field', async () => {
  const { plane, lead } = await linked()
  lead()
  const peer = await plane.nextRegistered()
  peer.socket.send('{"type":"praise","for":"patience"}')
  peer.socket.send(
    '{"type":"command","commandId":"a","target":"t","action":"x","payload":1,"delivery":1,"deadlineSeconds":1,"hue":2}',
  )
  plane.dispatched.add('a')
  expect((await peer.next('failed')).commandId).toBe('a')
})

describe('a connection whose other side is gone without a word', () => {
  test('is given up after two pings without an answer, and made again', async () => {
    const { plane, lead, log } = await linked({ timing: { pingMs: 30 } })
    lead()
    const peer = await plane.nextRegistered()
    peer.socket.pause()
    await plane.nextRegistered()
    expect((await waitForLine(log, 'link-lost'))['why']).toBe('no answer to 2 pings in a row')
  })

  test('is kept while it answers, however little it says', async () => {
    const { plane, lead } = await linked({ timing: { pingMs: 20 } })
    lead()
    const peer = await plane.nextRegistered()
    let pings = 0
    await new Promise<void>((resolve) => peer.socket.on('ping', () => (pings += 1) === 10 && resolve()))
    expect(plane.attempts).toBe(1)
  })
})

describe('attempts', () => {
  /** The waits between attempts, with every draw of the random source as large as it can be. */
  async function waitsOf(count: number, before: (plane: ScriptedControlPlane) => Promise<unknown> | undefined) {
    const waits: number[] = []
    let now = 0
    const timing = { firstRetryMs: 100, newLongestMs: 5000, steadyLongestMs: 30_000, newForMs: 60_000 }
    const all = await linked({
      timing,
      more: {
        random: () => 1 - Number.EPSILON,
        clock: { now: () => ({ monotonicMs: now, wallMs: now }) },
        wait: async (ms, signal) => {
          waits.push(Math.round(ms))
          now += ms
          await noWait(ms, signal)
        },
      },
    })
    all.lead()
    await before(all.plane)
    all.plane.refusal = { status: 502 }
    for (const peer of all.plane.peers) peer.socket.terminate()
    while (waits.length < count) await turn()
    return waits.slice(0, count)
  }

  test('of a new leader come at once, then up to every 5 s, and after a minute up to every 30 s', async () => {
    const waits = await waitsOf(32, () => undefined)
    expect(waits.slice(0, 8)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
    expect(Math.max(...waits)).toBe(30_000)
    expect(waits.findIndex((wait) => wait > 5000)).toBeGreaterThan(12)
  })

  test('of one that was registered come at once, then up to every 30 s', async () => {
    const waits = await waitsOf(12, async (plane) => (await plane.nextRegistered()).next('heartbeat'))
    // It was registered for no time at all, so that its first retry counts as the second attempt.
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000])
  })
})

test('a control plane that is away is told in words, and its return is noticed', async () => {
  const plane = await ScriptedControlPlane.start()
  await plane.stop()
  const { lead, link, log } = await linked({ plane })
  lead()
  await waitForLine(log, 'link-failed')
  expect(link.checks().readiness[0]?.explanation).toMatch(/^not registered at the control plane: http:.*ECONNREFUSED/)
  await plane.listen()
  await (await plane.nextRegistered()).next('heartbeat')
  expect(link.checks().readiness[0]?.explanation).toMatch(/^registered at the control plane since 20/)
  // Neither is a reason to restart.
  expect(link.checks().liveness).toEqual([expect.objectContaining({ ok: true })])
})
