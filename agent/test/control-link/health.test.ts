import { afterEach, expect, test } from '@jest/globals'
import { defaultTiming, stalledAfterMs } from '../../src/control-link/timing.ts'
import { endAll, linked, turn, waitForLine } from './linked.ts'

afterEach(endAll)

/** A leader whose clock stands still until it is set on, and that never comes to its next attempt. */
async function stuck() {
  let nowMs = 0
  const all = await linked({
    timing: defaultTiming,
    more: {
      clock: { now: () => ({ monotonicMs: nowMs, wallMs: nowMs }) },
      random: () => 0.5,
      wait: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('over')))),
    },
  })
  const live = (): boolean => all.link.checks().liveness.every(({ ok }) => ok)
  return { ...all, live, pass: (ms: number) => (nowMs += ms) }
}

test('the longest wait between attempts is no stall; three times that is', async () => {
  const { plane, lead, live, pass, link, log } = await stuck()
  plane.refusal = { status: 403 }
  lead()
  await waitForLine(log, 'link-failed')
  pass(1.5 * defaultTiming.refusedMs)
  expect(live()).toBe(true)
  pass(stalledAfterMs(defaultTiming))
  expect(live()).toBe(false)
  expect(link.checks().liveness[0]?.explanation).toMatch(/^nothing was tried for 360 s .* within 270 s/)
})

test('who is registered, stands by, is suspended or has ended does not stall, however long that lasts', async () => {
  const { plane, lead, live, pass, election } = await stuck()
  const anHourMs = 3_600_000
  pass(anHourMs)
  expect(live()).toBe(true)
  const { leadership, led } = lead()
  await (await plane.nextRegistered()).next('heartbeat')
  pass(anHourMs)
  expect(live()).toBe(true)
  leadership.end('suspended')
  await led
  election.become({ role: 'suspended' })
  plane.peers[0]?.socket.terminate()
  for (let count = 0; count < 20; count += 1) await turn()
  pass(anHourMs)
  expect(live()).toBe(true)
  election.become({ role: 'standby' })
  expect(live()).toBe(true)
})
