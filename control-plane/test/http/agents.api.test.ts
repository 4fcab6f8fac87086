import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { AgentKey, AgentResource, ProblemDetails } from '@regent/contract/api.ts'
import { connectionRecord, fenceRecord, statusRecord } from '../../src/agents/agent-records.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import { ServedApi } from './served-api.ts'

interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor?: string
}

const since = '2026-05-04T03:02:01.000Z'

describe('agents of the API', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start()
  })
  afterAll(() => api.close())

  const create = async (agentId: string, approved = true): Promise<AgentResource> =>
    (await api.ask('POST', '/api/v1/agents', { body: { agentId, approved } })).body
  const read = async (agentId: string): Promise<AgentResource> =>
    (await api.ask('GET', `/api/v1/agents/${agentId}`)).body
  const list = async (query = ''): Promise<Page<AgentResource>> => (await api.ask('GET', `/api/v1/agents${query}`)).body
  const put = (key: string, value: string) => api.store.transact({ when: [], then: [{ put: key, value }] })
  /** What the pod that an agent is connected to writes. */
  const connect = async (agentId: string, health: AgentResource['health'] = 'online') => {
    const fence = { lineage: 'l', epoch: '42', holder: 'h', connectionId: 'c', pod: 'p', since }
    await put(keys.fence(agentId), fenceRecord.serialize(fence))
    await put(keys.status(agentId), statusRecord.serialize({ health, since, lastSeenAt: since, activeSessions: 3 }))
    const connection = { connectionId: 'c', pod: 'p', podUid: 'u', holder: 'h', epoch: '42', since }
    await put(keys.connection(agentId), connectionRecord.serialize(connection))
  }

  test('are registered once, and say where they can be read', async () => {
    const made = await api.ask('POST', '/api/v1/agents', { body: { agentId: 'first' } })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe('/api/v1/agents/first')
    const agent = await read('first')
    expect(agent).toEqual({
      agentId: 'first',
      approval: 'pending',
      health: 'offline',
      registeredAt: agent.registeredAt,
      since: agent.registeredAt,
    })
    expect(Math.abs(Date.parse(agent.registeredAt) - Date.now())).toBeLessThan(60_000)
    const again = await api.ask('POST', '/api/v1/agents', { body: { agentId: 'first', approved: true } })
    expect(again.status).toBe(409)
    expect((await read('first')).approval).toBe('pending')
  })

  test('are shown with their leadership and their connection', async () => {
    await create('connected')
    await connect('connected')
    expect(await read('connected')).toMatchObject({
      health: 'online',
      since,
      activeSessions: 3,
      fence: { lineage: 'l', epoch: '42', holder: 'h', since },
      connection: { connectionId: 'c', pod: 'p', since },
    })
  })

  test('are approved and rejected, by somebody', async () => {
    await create('judged', false)
    for (const [action, approval] of [
      ['approve', 'approved'],
      ['approve', 'approved'],
      ['reject', 'rejected'],
    ]) {
      const { status, body } = await api.ask('POST', `/api/v1/agents/judged/${action ?? ''}`)
      expect(status).toBe(200)
      expect(body).toMatchObject({ approval })
    }
    expect((await api.agents.find('judged'))?.record).toMatchObject({ decidedBy: 'token:the admin' })
    expect((await api.ask('POST', '/api/v1/agents/unheard-of/approve')).status).toBe(404)
  })

  test('are listed page by page, all of them and each once', async () => {
    const ids = Array.from({ length: 95 }, (_, index) => `many-${String(index).padStart(2, '0')}`)
    await Promise.all(ids.map((id) => create(id)))
    const found: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 100; pages += 1) {
      const page = await list(`?limit=7${cursor}`)
      expect(page.items.length).toBeLessThanOrEqual(7)
      found.push(...page.items.map(({ agentId }) => agentId))
      if (page.nextCursor === undefined) break
      cursor = `&cursor=${page.nextCursor}`
    }
    expect(found).toEqual(found.toSorted())
    expect(found.filter((id) => id.startsWith('many-'))).toEqual(ids)
    expect((await list('?limit=500')).items.map(({ agentId }) => agentId)).toEqual(found)
  })

  test('are filtered by approval and by health', async () => {
    await create('filter-a', false)
    await create('filter-b')
    await connect('filter-b', 'draining')
    const pending = await list('?approval=pending&limit=500')
    expect(pending.items.map(({ agentId }) => agentId)).toContain('filter-a')
    expect(new Set(pending.items.map(({ approval }) => approval))).toEqual(new Set(['pending']))
    expect((await list('?health=draining')).items.map(({ agentId }) => agentId)).toEqual(['filter-b'])
    expect((await list('?health=draining&approval=pending')).items).toEqual([])
  })

  test('forget the newest leadership when they are told to, and nothing else', async () => {
    await create('restored')
    await connect('restored')
    const fenceConflict = { lineage: 'l', epoch: '7', holder: 'h2', since }
    await put(keys.status('restored'), statusRecord.serialize({ health: 'offline', since, fenceConflict }))
    expect(await read('restored')).toMatchObject({ fenceConflict })
    const { status, body } = await api.ask('POST', '/api/v1/agents/restored/reset-fence')
    expect({ status, body }).toMatchObject({ status: 200, body: { health: 'offline', approval: 'approved' } })
    expect(body).not.toHaveProperty('fence')
    expect(body).not.toHaveProperty('fenceConflict')
    expect((await api.ask('POST', '/api/v1/agents/restored/reset-fence')).status).toBe(200)
  })

  test('are removed with everything of theirs, and with nothing of others', async () => {
    for (const id of ['gone', 'gone-not']) {
      await create(id)
      await connect(id)
      await api.ask('POST', `/api/v1/agents/${id}/keys`, { body: {} })
      for (const key of [keys.openCommand(id, 'c'), keys.doneCommand(id, 'd'), keys.commandPayload(id, 'c')]) {
        await put(key, '{}')
      }
    }
    expect((await api.ask('DELETE', '/api/v1/agents/gone')).status).toBe(204)
    const { items } = await api.store.snapshot(prefixes.everything)
    const left = items.map(({ key }) => key).filter((key) => /\/gone(\/|$)/.test(key))
    expect(left).toEqual([])
    expect(items.filter(({ key }) => /\/gone-not(\/|$)/.test(key))).toHaveLength(8)
    expect((await api.ask('DELETE', '/api/v1/agents/gone')).status).toBe(404)
  })

  test('are left out of the list where their record cannot be read, and say so themselves', async () => {
    await create('damaged')
    await put(keys.agent('damaged'), '{"schema":2,"approval":"approved"}')
    expect((await list('?limit=500')).items.map(({ agentId }) => agentId)).not.toContain('damaged')
    const { status, body } = await api.ask('GET', '/api/v1/agents/damaged')
    expect({ status, body }).toMatchObject({ status: 500, body: { type: 'https://regent.dev/problems/internal' } })
    expect(api.recorded.text()).toContain('expected schema 1, got 2')
    await put(keys.agent('damaged'), '')
  })

  describe('keys', () => {
    const keysOf = async (agentId: string): Promise<readonly AgentKey[]> => {
      const page: Page<AgentKey> = (await api.ask('GET', `/api/v1/agents/${agentId}/keys`)).body
      return page.items
    }
    const make = async (agentId: string, body?: object): Promise<AgentKey & { readonly key: string }> =>
      (await api.ask('POST', `/api/v1/agents/${agentId}/keys`, { body })).body
    const rotate = async (agentId: string, body?: object): Promise<AgentKey & { readonly key: string }> =>
      (await api.ask('POST', `/api/v1/agents/${agentId}/rotate-keys`, { body })).body
    const check = (key: string) => new AgentKeys(api.store).check(key)

    test('are shown once, and stored as a hash', async () => {
      await create('keyed')
      const { key, keyId } = await make('keyed')
      expect(await check(key)).toEqual({ agentId: 'keyed', by: 'key', keyId })
      expect(JSON.stringify(await keysOf('keyed'))).not.toContain(key)
      const { items } = await api.store.snapshot(prefixes.everything)
      expect(items.map(({ value }) => Buffer.from(value).toString()).join()).not.toContain(key.split('_')[4])
    })

    test('are of one agent: with another id nothing fits', async () => {
      await create('mine')
      await create('other')
      const { key } = await make('mine')
      await expect(check(key.replace('_mine_', '_other_'))).rejects.toMatchObject({ reason: 'unknown' })
      const [stored] = (await api.store.list(prefixes.agentKeys('mine'))).items
      await put(stored?.key.replace('/mine/', '/other/') ?? '', Buffer.from(stored?.value ?? '').toString())
      await expect(check(key.replace('_mine_', '_other_'))).rejects.toMatchObject({ reason: 'unknown' })
    })

    test('with a wrong secret are refused', async () => {
      await create('guessed')
      const { key } = await make('guessed')
      const wrong = `${key.slice(0, -1)}${key.endsWith('a') ? 'q' : 'a'}`
      await expect(check(wrong)).rejects.toMatchObject({ reason: 'unknown' })
    })

    test('are refused as soon as they are revoked', async () => {
      await create('revoked')
      const { key, keyId } = await make('revoked')
      await check(key)
      expect((await api.ask('DELETE', `/api/v1/agents/revoked/keys/${keyId}`)).status).toBe(204)
      await expect(check(key)).rejects.toMatchObject({ reason: 'unknown' })
      expect((await api.ask('DELETE', `/api/v1/agents/revoked/keys/${keyId}`)).status).toBe(404)
    })

    test('overlap when they are rotated, for as long as it was asked', async () => {
      await create('rotated')
      const old = await make('rotated')
      const short = await make('rotated', { expiresInSeconds: 60 })
      const fresh = await rotate('rotated', { overlapSeconds: 600 })
      const listed = new Map((await keysOf('rotated')).map((key) => [key.keyId, key.expiresAt]))
      expect(listed.get(fresh.keyId)).toBeUndefined()
      expect(listed.get(short.keyId)).toBe(short.expiresAt)
      const end = Date.parse(listed.get(old.keyId) ?? '')
      expect(Math.abs(end - Date.now() - 600_000)).toBeLessThan(60_000)
      await check(old.key)
      const later = { wallMs: () => end, monotonicMs: () => 0 }
      await expect(new AgentKeys(api.store, later).check(old.key)).rejects.toMatchObject({ reason: 'expired' })
      await expect(new AgentKeys(api.store, later).check(fresh.key)).resolves.toMatchObject({ agentId: 'rotated' })
    })

    test('end at once when they are rotated without an overlap', async () => {
      await create('at-once')
      const old = await make('at-once')
      const fresh = await rotate('at-once', { overlapSeconds: 0 })
      await expect(check(old.key)).rejects.toMatchObject({ reason: 'unknown' })
      expect((await keysOf('at-once')).map(({ keyId }) => keyId)).toEqual([fresh.keyId])
    })

    test('are as many as there may be, and no more', async () => {
      await create('greedy')
      for (let made = 0; made < 10; made += 1) await make('greedy')
      const { status, body } = await api.ask('POST', '/api/v1/agents/greedy/keys')
      expect({ status, body }).toMatchObject({ status: 409, body: { type: 'https://regent.dev/problems/conflict' } })
      const rotated: ProblemDetails | AgentKey = await rotate('greedy')
      expect(rotated).toHaveProperty('key')
    })

    test.each([
      ['GET', '/api/v1/agents/nobody/keys'],
      ['POST', '/api/v1/agents/nobody/keys'],
      ['POST', '/api/v1/agents/nobody/rotate-keys'],
      ['DELETE', '/api/v1/agents/nobody/keys/abcdefgh'],
    ])('of an agent that there is not are not there: %s %s', async (method, path) => {
      expect((await api.ask(method, path)).status).toBe(404)
      expect((await api.store.list(prefixes.agentKeys('nobody'))).items).toEqual([])
    })
  })
})
