import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { AgentResource } from '@regent/contract/api.ts'
import { People } from '../../src/identity/people.ts'
import type { Caller } from '../../src/identity/caller.ts'
import { prefixes } from '../../src/store/keys.ts'
import { fill } from '../support/store.ts'
import { ServedApi } from './served-api.ts'

const caller: Caller = {
  name: 'somebody',
  role: 'admin',
  by: 'oidc',
  id: 'oidc:somebody',
  expiresAt: new Date(Date.now() + 3600_000),
}
/** Somebody whose credentials need no store. */
const people = Object.assign(new People({ tokens: { check: () => Promise.reject(new Error('no store')) } }), {
  identify: () => Promise.resolve(caller),
})

describe('without an etcd that answers', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start({ gate: { people } })
    await api.ask('POST', '/api/v1/agents', { body: { agentId: 'before' } })
  })
  afterAll(() => api.close())

  test('nothing is acknowledged that is not stored', async () => {
    api.etcd.member.freeze()
    try {
      const asked = [
        api.ask('POST', '/api/v1/agents', { body: { agentId: 'lost' } }),
        api.ask('GET', '/api/v1/agents/before'),
        api.ask('GET', '/api/v1/agents'),
        api.ask('GET', '/api/v1/events'),
        api.ask('POST', '/api/v1/tokens', { body: { name: 'lost', role: 'viewer' } }),
      ]
      for (const { status, headers, body } of await Promise.all(asked)) {
        expect({ status, body }).toMatchObject({
          status: 503,
          body: { type: 'https://regent.dev/problems/store-unavailable' },
        })
        expect(headers.get('retry-after')).toBe('2')
      }
      // Who calls needs no store here, so it is told at once.
      expect((await api.ask('GET', '/api/v1/whoami')).status).toBe(200)
    } finally {
      api.etcd.member.thaw()
    }
    await api.etcd.ready()
    const agent: AgentResource = (await api.ask('GET', '/api/v1/agents/before')).body
    expect(agent.agentId).toBe('before')
  })

  test('a write that may have happened is said to be one', async () => {
    api.etcd.member.freeze()
    try {
      const written = await api.ask('DELETE', '/api/v1/tokens/abcdefgh')
      expect(written.text).toContain('may have been done or not')
      const read = await api.ask('GET', '/api/v1/agents/before')
      expect(read.text).toContain('nothing was changed')
    } finally {
      api.etcd.member.thaw()
    }
  })
})

describe('with an etcd that is full', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start({ etcd: { quotaBytes: 2 * 1024 * 1024 } })
    await api.ask('POST', '/api/v1/agents', { body: { agentId: 'before' } })
    await fill(api.etcd, api.store)
  })
  afterAll(() => api.close())

  test('changes are refused, and reads go on', async () => {
    const { status, body } = await api.ask('POST', '/api/v1/agents', { body: { agentId: 'too-many' } })
    expect({ status, body }).toMatchObject({ status: 507, body: { type: 'https://regent.dev/problems/store-full' } })
    expect((await api.ask('GET', '/api/v1/agents/before')).status).toBe(200)
    expect((await api.ask('GET', '/api/v1/agents/too-many')).status).toBe(404)
  })
})

// With the write that passes the quota, etcd does what it refuses, and what came at the same time as well.
test('while etcd becomes full, every command is stored or refused, and nothing in between', async () => {
  const api = await ServedApi.start({
    etcd: { quotaBytes: 4 * 1024 * 1024 },
    // Nothing else than etcd is to refuse a command.
    gate: { callerRate: { perSecond: 10_000, burst: 10_000 } },
    commands: { mostOpen: 1000 },
  })
  try {
    const payload = 'x'.repeat(20_000)
    const paths = await Promise.all(
      Array.from({ length: 16 }, async (_, number) => {
        const body = { agentId: `agent-${number}`, approved: true }
        expect((await api.ask('POST', '/api/v1/agents', { body })).status).toBe(201)
        return `/api/v1/agents/agent-${number}/commands`
      }),
    )
    const stored = await Promise.all(
      paths.map(async (path) => {
        for (let created = 0; created < 1000; created += 1) {
          const { status, body } = await api.ask('POST', path, { body: { action: 'describe', payload } })
          if (status === 201) continue
          expect({ status, body }).toMatchObject({
            status: 507,
            body: { detail: expect.stringContaining('nothing was changed') },
          })
          return created
        }
        throw new Error('etcd is not full after 1000 commands')
      }),
    )
    const found = paths.map((_, number) => api.store.count(prefixes.openCommands(`agent-${number}`)))
    expect((await Promise.all(found)).map(({ count }) => count)).toEqual(stored)
  } finally {
    await api.close()
  }
})
