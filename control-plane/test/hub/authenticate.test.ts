import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { type RecordedLog, recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { authenticateAgents } from '../../src/hub/authenticate.ts'
import { Unauthenticated } from '../../src/identity/refusal.ts'
import { StoreUnavailable } from '../../src/store/errors.ts'

let nowMs: number
let asked: number
let log: RecordedLog
let authenticate: ReturnType<typeof authenticateAgents>
beforeEach(() => {
  nowMs = 0
  asked = 0
  log = recordedLog()
  authenticate = authenticateAgents({
    agents: {
      identify: (bearer) => {
        asked += 1
        if (bearer.startsWith('good')) return Promise.resolve({ agentId: bearer, by: 'key' })
        const away = new StoreUnavailable('etcd is away', { mayHaveHappened: false })
        return Promise.reject(bearer.startsWith('away') ? away : new Unauthenticated('unknown'))
      },
      identifyCertificate: () => ({ agentId: 'certified', by: 'certificate' }),
    },
    isReady: () => true,
    addressOf: ({ headers }) => String(headers['x-forwarded-for']),
    log: log.log,
    now: () => nowMs,
    strangerRate: { perSecond: 0.5, burst: 3 },
  })
})

async function come(token: string | undefined, address = '192.0.2.1') {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, {
    'x-forwarded-for': address,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  })
  const judged = await authenticate(request)
  return 'identity' in judged ? judged.identity.agentId : judged.status
}

async function bringTooMany(): Promise<void> {
  for (let count = 0; count < 3; count += 1) expect(await come(`wrong-${count}`)).toBe(401)
}

describe('an address that brings wrong credentials', () => {
  test('is answered 429 after a number of them, and costs neither a look into etcd nor a line of the log', async () => {
    await bringTooMany()
    for (let count = 0; count < 100; count += 1) expect(await come(`wrong-again-${count}`)).toBe(429)
    expect(await come(undefined)).toBe(429)
    expect(asked).toBe(3)
    expect(log.events()).toEqual(Array(3).fill('agent-unauthenticated'))
  })

  test('is told when it may come again, and may then', async () => {
    await bringTooMany()
    const request = new IncomingMessage(new Socket())
    request.headers['x-forwarded-for'] = '192.0.2.1'
    expect(await authenticate(request)).toMatchObject({ status: 429, retryAfterSeconds: 2 })
    nowMs += 2_000
    expect(await come('wrong')).toBe(401)
    expect(await come('wrong')).toBe(429)
  })

  test('many times at once is refused and logged only so often as well', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => come(`wrong-${index}`)))
    expect(answers.filter((answer) => answer === 401).length).toBe(3)
    expect(log.events().length).toBe(3)
  })

  test('keeps out neither agents of other addresses, nor those of its own that were let in before', async () => {
    expect(await come('good-before')).toBe('good-before')
    await bringTooMany()
    expect(await come('good-before')).toBe('good-before')
    expect(await come('good-new')).toBe(429)
    expect(await come('good-new', '192.0.2.2')).toBe('good-new')
  })
})

test('agents that are let in may come as often as they like', async () => {
  for (let count = 0; count < 100; count += 1) expect(await come(`good-${count}`)).toBe(`good-${count}`)
})

test('agents that come while etcd is away are not kept out afterwards; their log is bounded', async () => {
  for (let count = 0; count < 100; count += 1) expect(await come('away')).toBe(503)
  expect(log.events()).toEqual(Array(10).fill('agent-unidentified'))
  expect(await come('good')).toBe('good')
})
