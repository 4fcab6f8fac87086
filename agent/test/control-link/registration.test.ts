import { writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from '@jest/globals'
import { closeCodes } from '@regent/contract/messages.ts'
import { NotLeading } from '../../src/election/leadership.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'
import { endAll, fileWith, linked, noWait, turn, waitForLine } from './linked.ts'

afterEach(endAll)

describe('a new leader', () => {
  test('registers with what its leadership says, and sends a heartbeat', async () => {
    const { plane, lead, link, metrics } = await linked()
    const { leadership } = lead()
    const peer = await plane.nextPeer()
    expect(await peer.next('register')).toEqual({
      type: 'register',
      protocolVersion: 1,
      oldestProtocolVersion: 1,
      features: [],
      agentId: 'local',
      lineage: leadership.lineage,
      epoch: '42',
      holder: leadership.holder,
      region: 'here',
      capacity: { maxSessions: 10, cpu: '4', memory: '8Gi' },
    })
    expect(await peer.next('heartbeat')).toEqual({ type: 'heartbeat', status: 'online', activeSessions: 0 })
    expect(link.isRegistered).toBe(true)
    expect(metrics.counted).toEqual(['attempt registered'])
    // 6.15 s until it was acquired, and a moment since.
    expect(metrics.phases).toEqual([{ phase: 'registered', seconds: expect.closeTo(6.2, 0) }])
  })

  test('sends heartbeats as often as it is told', async () => {
    const { plane, lead } = await linked()
    plane.heartbeatIntervalSeconds = 1
    lead()
    const peer = await plane.nextRegistered()
    for (let count = 0; count < 3; count += 1) await peer.next('heartbeat')
  })

  test('sends nothing when its leadership turns out to be over', async () => {
    const { plane, lead } = await linked()
    const leadership = new ScriptedLeadership()
    leadership.refusal = new NotLeading('paused')
    lead(leadership)
    const peer = await plane.nextPeer()
    await peer.closed
    expect(peer.messages).toEqual([])
  })
})

describe('the credential', () => {
  test('is read again for each attempt, so that one that was replaced is used', async () => {
    const { plane, lead, tokenFile, log } = await linked()
    plane.authorization = 'Bearer token-2'
    lead()
    await waitForLine(log, 'link-failed')
    writeFileSync(tokenFile, 'token-2')
    await plane.nextRegistered()
    expect(log.text()).not.toContain('token-1')
    expect(log.text()).toContain('does not accept the credential')
  })

  test.each([
    ['missing', undefined, 'cannot read'],
    ['empty', '\n', 'expected one word of printable ASCII'],
    ['of two lines', 'a\nX-Injected: b', 'expected one word of printable ASCII'],
    ['far too large', 'x'.repeat(70_000), 'expected at most 65536 bytes'],
  ])('that is %s is named by its variable, and nothing of it is told', async (_, content, words) => {
    const { log, lead } = await linked({
      access: { credential: { variable: 'AGENT_API_KEY_FILE', file: fileWith(content) } },
    })
    lead()
    const line = await waitForLine(log, 'link-failed')
    expect(String(line['why'])).toMatch(/^AGENT_API_KEY_FILE: /)
    expect(line['why']).toContain(words)
    expect(log.text()).not.toContain('X-Injected')
  })
})

describe('a control plane that refuses', () => {
  test.each([
    [closeCodes.notApproved, 'let an admin approve it there'],
    [closeCodes.offboarded, 'register it anew'],
    [closeCodes.protocolVersion, 'upgrade the older of the two'],
  ])('with %i is asked again slowly, and a person is told what to do', async (code, remedy) => {
    const { plane, lead, link, log, metrics } = await linked({ timing: { refusedMs: 400 } })
    plane.onRegister = (peer) => peer.socket.close(code, 'no')
    lead()
    const line = await waitForLine(log, 'link-failed')
    expect(line).toMatchObject({ level: 'error' })
    expect(line['why']).toContain(remedy)
    expect(Number(line['retryInMs'])).toBeGreaterThanOrEqual(200)
    expect(link.checks().readiness).toEqual([
      { name: 'control-link', ok: true, explanation: expect.stringContaining(remedy) as unknown },
    ])
    expect(metrics.counted).toEqual(['attempt refused'])
    plane.onRegister = (peer) => peer.say({ type: 'registered', connectionId: 'a', heartbeatIntervalSeconds: 30 })
    await plane.nextPeer()
    await (await plane.nextPeer()).next('heartbeat')
  })

  test('says why, and what it says is shown in one line, bounded, and without secrets', async () => {
    const { plane, lead, link, log } = await linked()
    plane.refusal = { status: 403, words: `pending\n[+] fine: Bearer abc.def${'x'.repeat(100_000)}` }
    lead()
    const words = /answered the upgrade with 403: pending \[\+\] fine: Bearer \[redacted\]/
    expect(String((await waitForLine(log, 'link-failed'))['why'])).toMatch(words)
    const explanation = link.checks().readiness[0]?.explanation ?? ''
    expect(explanation).toMatch(words)
    expect(explanation).not.toContain('\n')
    expect(explanation.length).toBeLessThan(2000)
  })

  test('while it is connected says why in one line, too', async () => {
    const { plane, lead, log } = await linked()
    lead()
    const peer = await plane.nextRegistered()
    peer.socket.close(1012, 'restart\n[+] fine')
    expect((await waitForLine(log, 'link-lost'))['why']).toBe('closed by the control plane with 1012: restart [+] fine')
  })

  test('by 403 is told in words, and one that is told to wait is left alone for so long', async () => {
    const waits: number[] = []
    const { plane, lead, log } = await linked({
      more: { random: () => 0, wait: (ms, signal) => (waits.push(ms), noWait(ms, signal)) },
    })
    plane.refusal = { status: 503, retryAfter: 7 }
    lead()
    await waitForLine(log, 'link-failed')
    while (plane.attempts < 3) await turn()
    plane.refusal = { status: 403 }
    while (!log.text().includes('let an admin approve it')) await turn()
    plane.refusal = undefined
    await plane.nextRegistered()
    expect(waits[0]).toBeGreaterThan(6900)
    expect(waits[0]).toBeLessThanOrEqual(7000)
  })

  test('because a newer leader was seen is asked again only once the Lease says that this one leads', async () => {
    const { plane, lead, election, metrics } = await linked()
    const asked = Promise.withResolvers<undefined>()
    const answer = Promise.withResolvers<boolean>()
    election.verification = () => {
      asked.resolve(undefined)
      return answer.promise
    }
    plane.onRegister = (peer) => peer.socket.close(closeCodes.fenced, 'epoch 41')
    lead()
    await (
      await plane.nextPeer()
    ).closed
    await asked.promise
    plane.onRegister = (peer) => peer.say({ type: 'registered', connectionId: 'a', heartbeatIntervalSeconds: 30 })
    expect(plane.attempts).toBe(1)
    answer.resolve(true)
    await (await plane.nextRegistered()).next('heartbeat')
    expect(metrics.counted).toEqual(['attempt fenced', 'attempt registered'])
  })

  test('that ends because a newer leader was seen is counted as fenced, and as no attempt', async () => {
    const { plane, lead, election, metrics } = await linked()
    const asked = Promise.withResolvers<undefined>()
    election.verification = () => {
      asked.resolve(undefined)
      return Promise.resolve(false)
    }
    lead()
    const peer = await plane.nextRegistered()
    await peer.next('heartbeat')
    peer.socket.close(closeCodes.fenced, 'epoch 43')
    await asked.promise
    expect(metrics.counted).toEqual(['attempt registered', 'fenced by control-plane'])
  })

  test('that ends for another reason is not counted as fenced', async () => {
    const { plane, lead, metrics } = await linked()
    lead()
    const peer = await plane.nextRegistered()
    await peer.next('heartbeat')
    peer.socket.close(1012, 'restart')
    await (await plane.nextRegistered()).next('heartbeat')
    expect(metrics.counted).toEqual(['attempt registered', 'attempt registered'])
  })

  test('because a newer leader was seen is not asked again by one that does not lead', async () => {
    const { plane, lead, election } = await linked()
    let asked = 0
    const often = Promise.withResolvers<undefined>()
    election.verification = () => {
      asked += 1
      if (asked === 3) often.resolve(undefined)
      return Promise.resolve(false)
    }
    plane.onRegister = (peer) => peer.socket.close(closeCodes.fenced, 'epoch 43')
    lead()
    await often.promise
    expect(plane.attempts).toBe(1)
  })
})
