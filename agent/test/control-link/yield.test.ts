import { afterEach, describe, expect, test } from '@jest/globals'
import { setTimeout as pause } from 'node:timers/promises'
import { closeCodes } from '@regent/contract/messages.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'
import { stubborn } from './actions.ts'
import { command } from './command.ts'
import { endAll, linked, turn, waitForLine } from './linked.ts'

afterEach(endAll)

async function away(): Promise<ScriptedControlPlane> {
  const plane = await ScriptedControlPlane.start()
  await plane.stop()
  return plane
}

describe('a leader that cannot register in time', () => {
  test('asks the election whether another could, and asks again while that lasts', async () => {
    const plane = await away()
    const { lead, election } = await linked({ plane, timing: { patienceMs: 300 } })
    lead()
    while (election.yields.length < 2) await pause(10)
    expect(election.yields[0]).toContain('ECONNREFUSED')
    await plane.listen()
    await (await plane.nextRegistered()).next('heartbeat')
    const asked = election.yields.length
    await pause(700)
    expect(election.yields).toHaveLength(asked)
  })

  test('asks only after it has failed once more, and does not wait long for that', async () => {
    const plane = await away()
    const { lead, election, metrics, log } = await linked({
      plane,
      timing: { patienceMs: 400, firstRetryMs: 60_000, newLongestMs: 60_000 },
      // The longest of every wait, and so the next attempt by itself is a minute away.
      more: { random: () => 0.999 },
    })
    lead()
    await waitForLine(log, 'link-failed')
    while (election.yields.length === 0) await pause(10)
    expect(metrics.counted.filter((what) => what === 'attempt passing').length).toBeGreaterThan(1)
  })

  test('does not ask where it can by then, although its next attempt would be far away', async () => {
    const plane = await away()
    const { lead, election, log } = await linked({
      plane,
      timing: { patienceMs: 400, firstRetryMs: 60_000, newLongestMs: 60_000 },
      more: { random: () => 0.999 },
    })
    lead()
    await waitForLine(log, 'link-failed')
    await plane.listen()
    await (await plane.nextRegistered()).next('heartbeat')
    await pause(600)
    expect(election.yields).toEqual([])
  })

  test('does not ask where it hands over already', async () => {
    const ending = Promise.withResolvers<null>()
    const { plane, lead, election, log } = await linked({
      actions: [stubborn(ending.promise)],
      timing: { patienceMs: 200 },
    })
    const { leadership, led } = lead()
    const peer = await plane.nextRegistered()
    peer.say(command('c-1', { action: 'stubborn' }))
    await peer.next('received')
    plane.refusal = { status: 503 }
    peer.socket.terminate()
    await waitForLine(log, 'link-lost')
    leadership.drain()
    await pause(500)
    ending.resolve(null)
    await led
    expect(election.yields).toEqual([])
  })

  test.each([403, 410])('does not ask where the agent is refused, with %i: the next would be, too', async (status) => {
    const { plane, lead, election } = await linked({ timing: { patienceMs: 300, refusedMs: 100 } })
    plane.refusal = { status }
    lead()
    while (plane.attempts < 6) await pause(10)
    await pause(400)
    expect(election.yields).toEqual([])
  })

  test('does not ask where the control plane answers that it takes no agent at the moment', async () => {
    const { plane, lead, election } = await linked({ timing: { patienceMs: 300 } })
    plane.onRegister = (peer) => peer.socket.close(1013, 'etcd has no room left')
    lead()
    while (plane.attempts < 4) await pause(10)
    await pause(900)
    expect(election.yields).toEqual([])
  })

  test('asks where it speaks another version: pods that are newer may speak that of the control plane', async () => {
    const { plane, lead, election } = await linked({ timing: { patienceMs: 300, refusedMs: 100 } })
    plane.refusal = { status: 426 }
    lead()
    while (election.yields.length === 0) await pause(10)
    expect(election.yields[0]).toContain('another version')
  })

  test('does not ask where it is fenced although it leads: the next would be, too', async () => {
    const { plane, lead, election } = await linked({ timing: { patienceMs: 500 } })
    plane.onRegister = (peer) => peer.socket.close(closeCodes.fenced, 'another lineage')
    lead()
    while (plane.attempts < 4) await turn()
    await pause(1200)
    expect(election.yields).toEqual([])
  })
})

describe('every replica', () => {
  test('probes with its credential whether it could be registered, and tells the election', async () => {
    const { plane, election, link } = await linked()
    while (!election.reached.includes(true)) await turn()
    expect(link.checks().readiness[0]?.explanation).toBe('its own probe of the control plane succeeds')
    plane.probeStatus = 503
    while (election.reached.at(-1)) await turn()
    expect(link.checks().readiness[0]?.explanation).toBe(
      `its own probe of the control plane fails: ${plane.url} answered it with 503`,
    )
    expect(link.checks().readiness[0]?.ok).toBe(true)
  })

  test('with a credential that is not accepted does not reach it', async () => {
    const { plane, election } = await linked({ timing: { probeMs: 5 } })
    plane.authorization = 'Bearer another'
    while (plane.probes < 3) await turn()
    expect(election.reached.at(-1)).toBe(false)
  })

  test('whose control plane does not answer gives the probe up', async () => {
    const { plane, election, link } = await linked({ timing: { probeTimeoutMs: 20 } })
    plane.onProbe = () => undefined
    while (election.reached.at(-1) !== false) await turn()
    expect(link.checks().readiness[0]?.explanation).toContain('no answer within 0.02 s')
  })

  test('needs no probe while it is registered', async () => {
    const { plane, lead, election } = await linked({ timing: { probeMs: 5 } })
    lead()
    await (await plane.nextRegistered()).next('heartbeat')
    plane.probeStatus = 503
    const { probes } = plane
    const told = election.reached.length
    while (election.reached.length < told + 5) await turn()
    expect(plane.probes).toBeLessThanOrEqual(probes + 1)
    expect(election.reached.at(-1)).toBe(true)
  })
})
