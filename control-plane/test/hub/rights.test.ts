import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { closeCodes } from '@regent/contract/messages.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { agentRecord } from '../../src/agents/agent-records.ts'
import { OpenConnections } from '../../src/hub/open-connections.ts'
import { watchRights } from '../../src/hub/rights.ts'
import { keys } from '../../src/store/keys.ts'
import type { WatchEvent } from '../../src/store/key-value.ts'
import type { FollowUpdate } from '../../src/store/store.ts'
import { openConnection, type TestConnection } from './test-connection.ts'

let opened: TestConnection
let own: OpenConnections
beforeEach(async () => {
  opened = await openConnection()
  own = new OpenConnections()
  own.add(opened.connection)
})
afterEach(() => opened.close())

/** What etcd tells of one key, as it is judged. */
async function judged(event: WatchEvent): Promise<void> {
  const stop = new AbortController()
  const stopped = once(stop.signal, 'abort')
  const { key, modRevision: revision } = event.kind === 'put' ? event.item : event
  async function* follow(prefix: string): AsyncGenerator<FollowUpdate, void, undefined> {
    if (key.startsWith(prefix)) {
      yield { kind: 'changes', events: [event], revision }
      stop.abort()
    }
    await stopped
  }
  await watchRights({ follow }, stop.signal, recordedLog().log, own)
}

const deleted =
  (key: string) =>
  (modRevision: bigint): WatchEvent => ({ kind: 'delete', key, modRevision })

function rejected(modRevision: bigint): WatchEvent {
  const at = '2026-03-01T12:00:00Z'
  const value = Buffer.from(agentRecord.serialize({ approval: 'rejected', decidedAt: at, registeredAt: at }))
  return { kind: 'put', item: { key: keys.agent('local'), value, createRevision: 1n, modRevision, lease: 0n } }
}

describe.each([
  ['a fence that was reset', deleted(keys.fence('local')), 1013],
  ['an agent that was rejected', rejected, closeCodes.notApproved],
  ['an agent that was removed', deleted(keys.agent('local')), closeCodes.offboarded],
  ['a key that was revoked', deleted(keys.agentKey('local', 'abcdefgh')), closeCodes.unauthenticated],
])('%s', (_, change, code) => {
  beforeEach(async () => {
    await opened.asks()
    await opened.admit({ fence: { key: keys.fence('local'), modRevision: 10n } })
  })

  test('after a connection registered ends it', async () => {
    await judged(change(11n))
    expect((await opened.agent.ended).code).toBe(code)
  })

  test('before a connection registered, and heard of later, is the past', async () => {
    await judged(change(9n))
    opened.connection.move('still here')
    expect(await opened.agent.told('move')).toMatchObject({ reason: 'still here' })
  })
})

test('what is heard before a connection has registered is judged: it may be newer than what that has read', async () => {
  await judged(rejected(9n))
  expect((await opened.agent.ended).code).toBe(closeCodes.notApproved)
})
