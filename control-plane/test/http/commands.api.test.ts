import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type CommandResource, largestPayloadBytes, type ProblemDetails } from '@regent/contract/api.ts'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import { ServedApi } from './served-api.ts'

interface Page {
  readonly items: readonly CommandResource[]
  readonly nextCursor?: string
}

describe('commands of the API', () => {
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start()
  })
  afterAll(() => api.close())

  const agent = async (agentId: string, approved = true): Promise<string> => {
    await api.ask('POST', '/api/v1/agents', { body: { agentId, approved } })
    return `/api/v1/agents/${agentId}/commands`
  }
  const create = (path: string, body: unknown, key?: string, token = api.tokens.operator) =>
    api.ask('POST', path, { body, token, headers: key === undefined ? {} : { 'idempotency-key': key } })
  const countOf = async (agentId: string) => (await api.store.count(prefixes.openCommands(agentId))).count

  test('are stored when they are answered, and read as they were made', async () => {
    const path = await agent('first')
    const made = await create(path, { action: 'describe', payload: { deep: [1, { a: null }] }, deadlineSeconds: 60 })
    const command: CommandResource = made.body
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe(`${path}/${command.commandId}`)
    expect(command).toMatchObject({
      agentId: 'first',
      action: 'describe',
      target: 'agent',
      payload: { deep: [1, { a: null }] },
      state: 'queued',
      createdBy: 'token:the operator',
      deliveries: 0,
      cancelRequested: false,
    })
    expect(Date.parse(command.deadlineAt) - Date.parse(command.createdAt)).toBe(60_000)
    expect((await api.ask('GET', `${path}/${command.commandId}`)).body).toEqual(command)
    expect(await countOf('first')).toBe(1)
    expect(api.audit().at(-1)).toMatchObject({
      route: '/agents/{agentId}/commands',
      subject: `/agents/first/commands/${command.commandId}`,
      outcome: 'done',
    })
  })

  test('are refused by who may only read, and for agents that may not have any', async () => {
    const path = await agent('unapproved', false)
    expect((await create(path, { action: 'describe' }, undefined, api.tokens.viewer)).status).toBe(403)
    expect((await create(path, { action: 'describe' })).status).toBe(409)
    expect((await create('/api/v1/agents/nobody/commands', { action: 'describe' })).status).toBe(404)
    expect((await api.ask('GET', '/api/v1/agents/nobody/commands')).status).toBe(404)
    expect(await countOf('unapproved')).toBe(0)
  })

  test('are one command with one idempotency key, however often and at once it is sent', async () => {
    const path = await agent('idempotent')
    const body = { action: 'describe', payload: { a: 1 } }
    const answers = await Promise.all(Array.from({ length: 8 }, () => create(path, body, 'key-1')))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    const ids = answers.map((answer) => (answer.body as CommandResource).commandId)
    expect(new Set(ids).size).toBe(1)
    expect(await countOf('idempotent')).toBe(1)
  })

  test('are refused with a key that made another, and taken with the key of somebody else', async () => {
    const path = await agent('keyed')
    const first: CommandResource = (await create(path, { action: 'describe' }, 'key')).body
    const reused = await create(path, { action: 'describe', payload: 1 }, 'key')
    expect(reused.status).toBe(422)
    expect(reused.body).toMatchObject({ type: 'https://regent.dev/problems/idempotency-key-reused' })
    const tokens = new PeopleTokens(api.store)
    // A namesake of who made the first one.
    const other = await tokens.create({ name: 'the operator', role: 'operator', by: 'test', expiresInSeconds: 60 })
    const theirs: CommandResource = (await create(path, { action: 'describe' }, 'key', other.token)).body
    expect(theirs.commandId).not.toBe(first.commandId)
    expect(await countOf('keyed')).toBe(2)
  })

  test.each(['', ' ', 'a b', 'ä', 'a'.repeat(256)])('are refused with a key that is none: %j', async (key) => {
    const path = await agent('keyless')
    const { status } = await create(path, { action: 'describe' }, key).catch(() => ({ status: 400 }))
    expect(status).toBe(400)
  })

  test('are refused where too many are open', async () => {
    const path = await agent('full')
    for (let made = 0; made < 20; made += 1) expect((await create(path, { action: 'describe' })).status).toBe(201)
    const refused = await create(path, { action: 'describe' })
    expect(refused.status).toBe(429)
    expect(refused.body).toMatchObject({ type: 'https://regent.dev/problems/queue-full' })
    expect(refused.headers.get('retry-after')).toBe('10')
    expect(await countOf('full')).toBe(20)
  })

  test('are refused with everything that is wrong with them', async () => {
    const path = await agent('wrong')
    const refused = await create(path, { action: 'Describe!', target: '/', deadlineSeconds: 0, priority: 1 })
    const { problems }: ProblemDetails = refused.body
    expect(problems?.map((problem) => problem.path).toSorted()).toEqual([
      'body.action',
      'body.deadlineSeconds',
      'body.priority',
      'body.target',
    ])
  })

  test('are refused with a payload that is too deep, however deep, or too large', async () => {
    const path = await agent('deep')
    const nested = (levels: number) => `{"action":"describe","payload":${'['.repeat(levels)}${']'.repeat(levels)}}`
    expect((await create(path, nested(32))).status).toBe(201)
    for (const levels of [33, 1000, 400_000]) expect((await create(path, nested(levels))).status).toBe(400)
    const large = await create(path, { action: 'describe', payload: 'a'.repeat(largestPayloadBytes) })
    expect(large.status).toBe(413)
    expect((await create(path, { action: 'describe', payload: 'a'.repeat(largestPayloadBytes - 2) })).status).toBe(201)
  })

  test('are listed page by page, each once, and by state, action and target', async () => {
    const path = await agent('listed')
    for (let made = 0; made < 9; made += 1) {
      await create(path, { action: made % 3 === 0 ? 'third' : 'other', target: `t-${made % 2}` })
    }
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page: Page = (await api.ask('GET', `${path}?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`))
        .body
      expect(page.items.length).toBeLessThanOrEqual(2)
      ids.push(...page.items.map(({ commandId }) => commandId))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(ids).toHaveLength(9)
    expect(ids).toEqual(ids.toSorted())
    await api.ask('POST', `${path}/${ids[0] ?? ''}/cancel`)
    const list = async (query: string) => ((await api.ask('GET', `${path}?${query}`)).body as Page).items.length
    expect(await list('action=third')).toBe(3)
    expect(await list('action=third&target=t-0')).toBe(2)
    expect(await list('state=failed')).toBe(1)
    expect(await list('state=queued&action=third')).toBe(2)
    expect(await list('state=poisoned')).toBe(0)
  })

  test('are given up: at once while they wait, by the agent once it has them', async () => {
    const path = await agent('cancelled')
    const waiting: CommandResource = (await create(path, { action: 'describe' })).body
    const ended = await api.ask('POST', `${path}/${waiting.commandId}/cancel`, { token: api.tokens.operator })
    expect(ended.body).toMatchObject({ state: 'failed', error: { code: 'cancelled' } })
    const taken: CommandResource = (await create(path, { action: 'describe' })).body
    const key = keys.openCommand('cancelled', taken.commandId)
    const { found } = await api.store.get(key)
    if (found === undefined) throw new Error('no command')
    const at = new Date().toISOString()
    const lastDelivery = { connectionId: 'c', holder: 'h', epoch: '1', at }
    const record = { ...openCommandRecord.parse(found), state: 'dispatched' as const, deliveries: 1, lastDelivery }
    await api.store.transact({ when: [], then: [{ put: key, value: openCommandRecord.serialize(record) }] })
    const asked = await api.ask('POST', `${path}/${taken.commandId}/cancel`, { token: api.tokens.operator })
    expect(asked.body).toMatchObject({ state: 'dispatched', cancelRequested: true })
    expect((await api.ask('POST', `${path}/unheard-of/cancel`)).status).toBe(404)
    expect((await api.ask('GET', `${path}/unheard-of`)).status).toBe(404)
    const viewer = { token: api.tokens.viewer }
    expect((await api.ask('POST', `${path}/${taken.commandId}/cancel`, viewer)).status).toBe(403)
  })

  test('are told as events', async () => {
    const path = await agent('told')
    const end = new AbortController()
    const stream = await fetch(`${api.url}/api/v1/events`, {
      signal: end.signal,
      headers: { authorization: `Bearer ${api.tokens.viewer}` },
    })
    const command: CommandResource = (await create(path, { action: 'describe' })).body
    await api.ask('POST', `${path}/${command.commandId}/cancel`)
    let text = ''
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString()
      if (text.includes('"failed"')) break
    }
    end.abort()
    const told = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as object)
    const common = {
      type: 'command',
      agentId: 'told',
      commandId: command.commandId,
      action: 'describe',
      target: 'agent',
    }
    expect(told).toEqual([
      { ...common, state: 'queued', deliveries: 0 },
      { ...common, state: 'failed', deliveries: 0 },
    ])
  })
})
