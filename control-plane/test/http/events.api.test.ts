import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ApiEvent } from '@regent/contract/api.ts'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { keys } from '../../src/store/keys.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'
import { statusRecord } from '../../src/agents/agent-records.ts'
import { ServedApi } from './served-api.ts'

interface Received {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: ApiEvent | undefined
  readonly comment: boolean
}

/** A client of server-sent events that reads block by block. */
class Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #end = new AbortController()
  #text = ''
  /** As a browser keeps it. */
  lastId = ''

  private constructor(body: ReadableStream<Uint8Array>, end: AbortController) {
    this.#reader = body.getReader()
    this.#end = end
  }

  static async open(url: string, token: string, lastEventId?: string): Promise<Reader> {
    const end = new AbortController()
    const response = await fetch(`${url}/api/v1/events`, {
      signal: end.signal,
      headers: {
        authorization: `Bearer ${token}`,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    })
    if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    return new Reader(response.body, end)
  }

  /** The next block; `undefined` at the end. */
  async block(): Promise<Received | undefined> {
    while (!this.#text.includes('\n\n')) {
      const { done, value } = await this.#reader.read()
      if (done) return undefined
      this.#text += Buffer.from(value).toString()
    }
    const [block = '', ...rest] = this.#text.split('\n\n')
    this.#text = rest.join('\n\n')
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
    const [id, data] = [field('id'), field('data')]
    if (id !== undefined) this.lastId = id
    return {
      id,
      event: field('event'),
      data: data === undefined ? undefined : (JSON.parse(data) as ApiEvent),
      comment: block.startsWith(':'),
    }
  }

  /** The next event; what has no data is passed over. */
  async next(): Promise<ApiEvent | undefined> {
    for (;;) {
      const block = await this.block()
      if (block === undefined || block.data !== undefined) return block?.data
    }
  }

  close(): void {
    this.#end.abort()
  }
}

describe('events of the API', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start({
      events: { mostOfCaller: 2, mostStreams: 3, heartbeatSeconds: 0.2, mostUnreadBytes: 200_000 },
    })
  })
  afterAll(() => api.close())
  const create = (agentId: string) => api.ask('POST', '/api/v1/agents', { body: { agentId, approved: true } })
  const noneOpen = async () => {
    while (api.events.count > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  test('tell what happens to agents, in order', async () => {
    const reader = await Reader.open(api.url, api.tokens.viewer)
    await create('told')
    const since = '2026-05-04T03:02:01.000Z'
    const status = statusRecord.serialize({ health: 'online', since, activeSessions: 2 })
    await api.store.transact({ when: [], then: [{ put: keys.status('told'), value: status }] })
    await api.ask('POST', '/api/v1/agents/told/reject')
    await api.ask('DELETE', '/api/v1/agents/told')
    expect([await reader.next(), await reader.next(), await reader.next(), await reader.next()]).toEqual([
      { type: 'agent', agentId: 'told', approval: 'approved' },
      { type: 'agent-health', agentId: 'told', health: 'online', since, activeSessions: 2, fenceConflict: false },
      { type: 'agent', agentId: 'told', approval: 'rejected' },
      { type: 'agent-removed', agentId: 'told' },
    ])
    reader.close()
    await noneOpen()
  })

  test('go on where a client was, with nothing lost and nothing twice', async () => {
    const first = await Reader.open(api.url, api.tokens.viewer)
    await create('before')
    expect(await first.next()).toMatchObject({ agentId: 'before' })
    first.close()
    await create('meanwhile-a')
    await create('meanwhile-b')
    const second = await Reader.open(api.url, api.tokens.viewer, first.lastId)
    await create('after')
    const told = [await second.next(), await second.next(), await second.next()]
    expect(told.map((event) => event !== undefined && 'agentId' in event && event.agentId)).toEqual([
      'meanwhile-a',
      'meanwhile-b',
      'after',
    ])
    second.close()
    await noneOpen()
  })

  test('have an id only at the end of what happened at once', async () => {
    const reader = await Reader.open(api.url, api.tokens.viewer)
    await reader.block()
    const { found } = await api.store.get(keys.agent('before'))
    const value = Buffer.from(found?.value ?? '').toString()
    const { revision } = await api.store.transact({
      when: [],
      then: ['once-a', 'once-b'].map((id) => ({ put: keys.agent(id), value })),
    })
    const blocks: Received[] = []
    while (blocks.length < 2) {
      const block = await reader.block()
      if (block?.data !== undefined) blocks.push(block)
    }
    expect(blocks.map(({ id }) => id)).toEqual([undefined, String(revision)])
    reader.close()
    await noneOpen()
  })

  test('never tell of keys, tokens and fences, while their id goes on', async () => {
    const reader = await Reader.open(api.url, api.tokens.viewer)
    const begun = Number((await reader.block())?.id)
    await api.ask('POST', '/api/v1/tokens', { body: { name: 'unseen', role: 'viewer' } })
    await api.ask('POST', '/api/v1/agents/before/keys')
    for (;;) {
      const block = await reader.block()
      expect(block).toMatchObject({ event: undefined, comment: true })
      if (Number(block?.id) >= begun + 2) break
    }
    reader.close()
    await noneOpen()
  })

  test('say so where what happened is not known any more, and go on', async () => {
    const { revision } = await api.store.get(keys.agent('before'))
    await create('compacted')
    await create('compacted-too')
    await api.etcd.etcdctl('compact', String((await api.store.get(keys.agent('before'))).revision))
    const reader = await Reader.open(api.url, api.tokens.viewer, String(revision - 1n))
    expect(await reader.next()).toEqual({ type: 'reset' })
    await create('later')
    expect(await reader.next()).toMatchObject({ agentId: 'later' })
    reader.close()
    const future = await Reader.open(api.url, api.tokens.viewer, '999999999999')
    expect(await future.next()).toEqual({ type: 'reset' })
    future.close()
    await noneOpen()
  })

  test('are refused with an id that is none', async () => {
    const { status } = await api.ask('GET', '/api/v1/events', { headers: { 'last-event-id': 'x' } })
    expect(status).toBe(400)
  })

  test('are followed by as many as there may be, and no more', async () => {
    const readers = [await Reader.open(api.url, api.tokens.viewer), await Reader.open(api.url, api.tokens.viewer)]
    await expect(Reader.open(api.url, api.tokens.viewer)).rejects.toThrow('status 429')
    readers.push(await Reader.open(api.url, api.tokens.operator))
    await expect(Reader.open(api.url, api.tokens.admin)).rejects.toThrow('status 429')
    for (const reader of readers) reader.close()
    await noneOpen()
    ;(await Reader.open(api.url, api.tokens.viewer)).close()
    await noneOpen()
  })

  test('end for a token that was revoked', async () => {
    const tokens = new PeopleTokens(api.store)
    const made = await tokens.create({ name: 'brief', role: 'viewer', by: 'the test', expiresInSeconds: 60 })
    const reader = await Reader.open(api.url, made.token)
    await tokens.revoke(made.tokenId)
    expect(await reader.next()).toBeUndefined()
    await noneOpen()
  })

  test('end when the token does', async () => {
    const now = Date.now()
    const tokens = new PeopleTokens(api.store, { wallMs: () => now - 50_000, monotonicMs: () => 0 })
    const { token } = await tokens.create({ name: 'over', role: 'viewer', by: 'the test', expiresInSeconds: 60 })
    const reader = await Reader.open(api.url, token)
    expect(await reader.next()).toBeUndefined()
    await noneOpen()
  })

  test('are cut off for who does not read them', async () => {
    const reader = await Reader.open(api.url, api.tokens.viewer)
    const since = '2026-05-04T03:02:01.000Z'
    const value = openCommandRecord.serialize({
      ...{ agentId: 'slow', commandId: 'c', action: 'a'.repeat(500), target: 't'.repeat(500), state: 'queued' },
      ...{ createdAt: since, createdBy: 'test', deadlineAt: since, payloadBytes: 0, deliveries: 0 },
    })
    const many = Array.from({ length: 120 }, (_, index) => ({ put: keys.openCommand('slow', `c-${index}`), value }))
    for (let turn = 0; turn < 2000 && api.events.count > 0; turn += 1) {
      await api.store.transact({ when: [], then: many })
    }
    expect(api.events.count).toBe(0)
    expect(api.recorded.events()).toContain('event-stream-cut')
    reader.close()
  })
})

test('the API closes while somebody follows its events', async () => {
  const api = await ServedApi.start()
  const reader = await Reader.open(api.url, api.tokens.viewer)
  await reader.block()
  await api.close()
  expect(await reader.next()).toBeUndefined()
})
