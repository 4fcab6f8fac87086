import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { agentMessage, closeCodes, controlPlaneMessage, deepestPayload, largestMessageBytes } from '../messages.ts'

const register = {
  type: 'register',
  protocolVersion: 1,
  features: [],
  agentId: 'production-us-east-1',
  lineage: '7f1c0f3e-2a52-4f0e-9a55-6f3f8d1f0001',
  epoch: '4711',
  holder: 'pod_uid_boot',
  region: 'us-east-1',
  capacity: { maxSessions: 100, cpu: '100', memory: '200Gi' },
} as const
const command = {
  type: 'command',
  commandId: 'c-1',
  target: 'session/a',
  action: 'start_session',
  payload: {},
  delivery: 1,
  deadlineSeconds: 30,
} as const

const fromAgent = {
  register,
  heartbeat: { type: 'heartbeat', status: 'online', activeSessions: 0 },
  received: { type: 'received', commandId: 'c-1' },
  done: { type: 'done', commandId: 'c-1', result: null },
  failed: { type: 'failed', commandId: 'c-1', error: '', retryable: true },
} as const
const fromControlPlane = {
  registered: { type: 'registered', connectionId: 'a', heartbeatIntervalSeconds: 30 },
  command,
  stored: { type: 'stored', commandId: 'c-1' },
  cancel: { type: 'cancel', commandId: 'c-1' },
  move: { type: 'move', reason: 'this pod stops' },
} as const

const both = [
  ...Object.entries(fromAgent).map(([name, message]) => [name, agentMessage, message] as const),
  ...Object.entries(fromControlPlane).map(([name, message]) => [name, controlPlaneMessage, message] as const),
]

describe.each(both)('%s', (_, schema, message) => {
  test('is accepted as it was written', () => {
    expect(schema.safeParse(JSON.parse(JSON.stringify(message)))).toEqual({ success: true, data: message })
  })

  test('unknown fields of a newer neighbour are ignored', () => {
    expect(schema.safeParse({ ...message, added: 'later' })).toEqual({ success: true, data: message })
  })

  test.each(Object.keys(message))('fails without %s', (field) => {
    expect(schema.safeParse({ ...message, [field]: undefined }).success).toBe(false)
  })

  test.each(Object.keys(message))('fails if %s has another type', (field) => {
    expect(schema.safeParse({ ...message, [field]: () => undefined }).success).toBe(false)
  })
})

function accepts(schema: typeof agentMessage | typeof controlPlaneMessage, message: object): boolean {
  return schema.safeParse(message).success
}

describe('bounds', () => {
  test('unknown types are refused, and each side takes only what the other says', () => {
    expect(accepts(agentMessage, { type: 'shout' })).toBe(false)
    expect(accepts(agentMessage, command)).toBe(false)
    expect(accepts(controlPlaneMessage, register)).toBe(false)
  })

  test.each([
    ['lineage', 256],
    ['holder', 512],
    ['region', 256],
  ])('%s of a registration holds 1 to %i characters', (field, most) => {
    expect(accepts(agentMessage, { ...register, [field]: 'a'.repeat(most) })).toBe(true)
    expect(accepts(agentMessage, { ...register, [field]: 'a'.repeat(most + 1) })).toBe(false)
    expect(accepts(agentMessage, { ...register, [field]: '' })).toBe(false)
  })

  const hostile = ['\u001b[2J', 'a\u009bb', 'a\u007fb', 'a\u202eb', 'a\nb', 'a b', 'é', '']

  test.each(hostile)('nothing that names something in a registration is %j', (text) => {
    const { capacity } = register
    for (const changed of [
      ...[{ region: text }, { lineage: text }, { holder: text }, { features: [text] }],
      ...[{ capacity: { ...capacity, cpu: text } }, { capacity: { ...capacity, memory: text } }],
    ]) {
      expect(accepts(agentMessage, { ...register, ...changed })).toBe(false)
    }
  })

  test('a region and a quantity that are none are told what is expected', () => {
    const { error } = agentMessage.safeParse({
      ...register,
      region: '-a',
      capacity: { ...register.capacity, cpu: 'x' },
    })
    expect(error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([
      expect.stringMatching(/^region: expected letters, digits/),
      expect.stringMatching(/^capacity.cpu: expected a quantity of Kubernetes, such as/),
    ])
  })

  test.each(['1', '0.5', '500m', '16Gi', '200G', '1e3', '100n'])('a quantity can be %j', (cpu) => {
    expect(accepts(agentMessage, { ...register, capacity: { ...register.capacity, cpu } })).toBe(true)
  })

  test('features are few and short', () => {
    const features = (count: number, length: number) => Array.from({ length: count }, () => 'a'.repeat(length))
    expect(accepts(agentMessage, { ...register, features: features(64, 256) })).toBe(true)
    expect(accepts(agentMessage, { ...register, features: features(65, 1) })).toBe(false)
    expect(accepts(agentMessage, { ...register, features: features(1, 257) })).toBe(false)
  })

  test.each(['', 'A', 'a/b', '-a', 'a'.repeat(41), '../a', 'a b'])('an agent id cannot be %j', (agentId) => {
    expect(accepts(agentMessage, { ...register, agentId })).toBe(false)
  })

  test('the longest agent id is one', () => {
    expect(accepts(agentMessage, { ...register, agentId: 'a'.repeat(40) })).toBe(true)
  })

  test.each(['', '0', '01', '-1', '1.5', '1e3', ' 1', 'abc', '9'.repeat(40)])('an epoch cannot be %j', (epoch) => {
    expect(accepts(agentMessage, { ...register, epoch })).toBe(false)
  })

  test('an epoch is text, whatever its size, and reads as an integer', () => {
    expect(accepts(agentMessage, { ...register, epoch: 4711 })).toBe(false)
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 39n - 1n }), (epoch) => {
        const parsed = agentMessage.parse({ ...register, epoch: String(epoch) })
        expect(parsed.type === 'register' && BigInt(parsed.epoch)).toBe(epoch)
      }),
    )
  })

  test.each(['', 'a b', 'a/b', 'a'.repeat(65), 'é'])('the id of a command cannot be %j', (commandId) => {
    expect(accepts(agentMessage, { type: 'received', commandId })).toBe(false)
    expect(accepts(controlPlaneMessage, { ...command, commandId })).toBe(false)
  })

  test('errors and reasons are at most 4096 characters', () => {
    const { failed } = fromAgent
    expect(accepts(agentMessage, { ...failed, error: 'a'.repeat(4096) })).toBe(true)
    expect(accepts(agentMessage, { ...failed, error: 'a'.repeat(4097) })).toBe(false)
    expect(accepts(controlPlaneMessage, { type: 'move', reason: 'a'.repeat(4097) })).toBe(false)
  })

  test('a heartbeat says how the agent is', () => {
    const { heartbeat } = fromAgent
    for (const status of ['online', 'draining', 'suspended'])
      expect(accepts(agentMessage, { ...heartbeat, status })).toBe(true)
    expect(accepts(agentMessage, { ...heartbeat, status: 'dead' })).toBe(false)
    expect(accepts(agentMessage, { ...heartbeat, activeSessions: -1 })).toBe(false)
    expect(accepts(agentMessage, { ...heartbeat, activeSessions: 0.5 })).toBe(false)
  })

  test('a command is delivered three times at most, and heartbeats come every 1 to 300 s', () => {
    for (const delivery of [1, 3]) expect(accepts(controlPlaneMessage, { ...command, delivery })).toBe(true)
    for (const delivery of [0, 4, 1.5]) expect(accepts(controlPlaneMessage, { ...command, delivery })).toBe(false)
    for (const heartbeatIntervalSeconds of [0, 301]) {
      expect(accepts(controlPlaneMessage, { ...fromControlPlane.registered, heartbeatIntervalSeconds })).toBe(false)
    }
  })
})

describe('what a command carries', () => {
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)

  test('is any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const received: unknown = JSON.parse(JSON.stringify(value))
        expect(agentMessage.parse({ ...fromAgent.done, result: received })).toEqual({
          ...fromAgent.done,
          result: received,
        })
      }),
    )
  })

  test('fails if it is nested too deep, without exhausting the stack', () => {
    expect(accepts(controlPlaneMessage, { ...command, payload: nested(deepestPayload) })).toBe(true)
    expect(accepts(controlPlaneMessage, { ...command, payload: nested(deepestPayload + 1) })).toBe(false)
    expect(accepts(agentMessage, { ...fromAgent.done, result: nested(100_000) })).toBe(false)
  })

  test('fails if it is no JSON', () => {
    for (const result of [Number.NaN, Number.POSITIVE_INFINITY, 1n, { a: undefined }, [() => undefined]]) {
      expect(accepts(agentMessage, { ...fromAgent.done, result })).toBe(false)
    }
  })
})

test('the largest registration that is accepted fits into a message several times', () => {
  // What JSON writes with two bytes.
  const wide = '"'.repeat(256)
  const largest = {
    ...register,
    features: Array.from({ length: 64 }, () => wide),
    agentId: 'a'.repeat(40),
    lineage: wide,
    holder: '"'.repeat(512),
    region: 'a'.repeat(256),
    epoch: '9'.repeat(39),
    capacity: { maxSessions: Number.MAX_SAFE_INTEGER, cpu: '9'.repeat(256), memory: '9'.repeat(256) },
  }
  expect(accepts(agentMessage, largest)).toBe(true)
  expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(largestMessageBytes / 2)
})

test('the close code of a fenced agent is one that applications may use', () => {
  expect(closeCodes.fenced).toBe(4409)
})
