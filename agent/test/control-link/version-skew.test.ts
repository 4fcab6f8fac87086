import { afterEach, describe, expect, test } from '@jest/globals'
import { closeCodes, protocolVersions } from '@regent/contract/messages.ts'
import { asNewer, goldenFromAgent, goldenFromControlPlane } from '@regent/contract/test/protocol-v1/golden.ts'
import { held } from './actions.ts'
import { command } from './command.ts'
import { endAll, linked, waitForLine } from './linked.ts'

// The real link of this release before a control plane of the one before, or of the next one.

afterEach(endAll)

const registered = { type: 'registered', connectionId: 'c', heartbeatIntervalSeconds: 30 } as const
const goldenOf = (type: string) =>
  goldenFromControlPlane.map(({ message }) => message).filter((one) => one.type === type)

async function linkedToEcho() {
  const all = await linked({ actions: held().actions })
  const lead = async () => {
    all.lead()
    return await all.plane.nextRegistered()
  }
  return { ...all, lead }
}

describe('the registration', () => {
  test('has what a control plane of version 1 asks for, and names every version that is spoken', async () => {
    const { plane, lead } = await linked()
    lead()
    const message = await (await plane.nextPeer()).next('register')
    const [least] = goldenFromAgent
    expect(Object.keys(message)).toEqual(expect.arrayContaining(Object.keys(least?.message ?? {})))
    const { protocolVersion: newest, oldestProtocolVersion: oldest } = message
    expect({ oldest, newest }).toEqual(protocolVersions)
  })

  test.each(goldenOf('registered'))('is taken as answered by what version 1 answers', async (answer) => {
    const { plane, lead } = await linkedToEcho()
    plane.onRegister = (peer) => peer.say(answer)
    await (await lead()).next('heartbeat')
  })

  test('is taken as answered by a newer control plane that speaks an older version, too', async () => {
    const { plane, lead } = await linkedToEcho()
    plane.onRegister = (peer) => peer.say(asNewer({ ...registered, protocolVersion: protocolVersions.newest }))
    await (await lead()).next('heartbeat')
  })

  test('fails if the control plane chooses a version that was not offered', async () => {
    const { plane, lead, log, link } = await linkedToEcho()
    plane.onRegister = (peer) => peer.say({ ...registered, protocolVersion: protocolVersions.newest + 1 })
    expect(await (await lead()).closed).toBe(closeCodes.unexpectedMessage)
    const { why } = await waitForLine(log, 'link-failed')
    expect(why).toBe('the control plane chose version 2 of the protocol, expected one from 1 to 1')
    expect(link.isRegistered).toBe(false)
  })
})

describe('a newer control plane', () => {
  test('may say what this agent does not know, and goes on to be understood', async () => {
    const { lead, link } = await linkedToEcho()
    const peer = await lead()
    for (const strange of [{ type: 'shout' }, { type: 'start', sessions: [{ id: 'a' }] }]) {
      peer.socket.send(JSON.stringify(strange))
    }
    peer.say(asNewer(command('c-1', { action: 'echo', payload: { kept: { as: ['it', 'is'] } } })))
    expect(await peer.next('done')).toEqual({ type: 'done', commandId: 'c-1', result: { kept: { as: ['it', 'is'] } } })
    peer.say(asNewer({ type: 'cancel', commandId: 'c-1' }))
    peer.say(asNewer({ type: 'move', reason: 'another pod serves fewer agents' }))
    expect(await peer.closed).toBe(1000)
    expect(link.isRegistered).toBe(true)
  })

  test('gets a failure in words for an action that this agent does not know, and not another try', async () => {
    const { lead } = await linkedToEcho()
    const peer = await lead()
    peer.say(command('c-1', { action: 'hibernate_session' }))
    const { error, retryable } = await peer.next('failed')
    expect(error).toMatch(/knows no action 'hibernate_session'.*upgrade the agent/)
    expect(retryable).toBe(false)
  })

  test('may close for a reason that this agent does not know: it connects again', async () => {
    const { plane, lead, log } = await linkedToEcho()
    const peer = await lead()
    peer.socket.close(4499, 'what nobody knew')
    expect((await waitForLine(log, 'link-lost'))['why']).toBe('closed by the control plane with 4499: what nobody knew')
    await plane.nextRegistered()
  })

  test('fails if it changes what a field means without another version', async () => {
    const { lead, log } = await linkedToEcho()
    const peer = await lead()
    peer.socket.send(JSON.stringify({ ...command('c-1'), delivery: 'first' }))
    expect(await peer.closed).toBe(closeCodes.unexpectedMessage)
    expect((await waitForLine(log, 'link-lost'))['why']).toContain("a malformed 'command': delivery")
  })
})
