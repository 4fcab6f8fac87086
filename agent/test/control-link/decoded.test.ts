import { expect, test } from '@jest/globals'
import { controlPlaneMessage } from '@regent/contract/messages.ts'
import fc from 'fast-check'
import { decoded } from '../../src/control-link/decoded.ts'

const types = ['registered', 'command', 'stored', 'cancel', 'move']

test('whatever a frame holds, it is a message of the contract, one of a newer version, or told as what it is', () => {
  const mixed = fc.oneof(
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .record({
        type: fc.oneof(fc.constantFrom(...types), fc.string()),
        commandId: fc.oneof(fc.stringMatching(/^[a-z0-9-]{1,10}$/), fc.jsonValue()),
        connectionId: fc.oneof(fc.string(), fc.jsonValue()),
        heartbeatIntervalSeconds: fc.oneof(fc.integer(), fc.jsonValue()),
        reason: fc.oneof(fc.string(), fc.jsonValue()),
        target: fc.string(),
        action: fc.string(),
        payload: fc.jsonValue(),
        delivery: fc.integer({ min: 0, max: 4 }),
        deadlineSeconds: fc.double(),
      })
      .map((message) => Buffer.from(JSON.stringify(message))),
  )
  const seen = { messages: 0, unknown: 0, problems: 0 }
  fc.assert(
    fc.property(mixed, (frame) => {
      const read = decoded(frame)
      if ('problem' in read) {
        seen.problems += 1
        expect(read.problem.length).toBeLessThan(100)
        return
      }
      if (read.message === undefined) {
        seen.unknown += 1
        return
      }
      seen.messages += 1
      expect(controlPlaneMessage.safeParse(JSON.parse(frame.toString())).success).toBe(true)
    }),
    { numRuns: 2000 },
  )
  expect(Math.min(seen.messages, seen.unknown, seen.problems)).toBeGreaterThan(20)
})

test('fields that only newer versions know are no mistake', () => {
  expect(decoded(Buffer.from('{"type":"stored","commandId":"a","inRevision":7}'))).toEqual({
    message: { type: 'stored', commandId: 'a' },
  })
})

test('a prototype is no message', () => {
  expect(decoded(Buffer.from('{"__proto__":{"type":"stored","commandId":"a"}}'))).toEqual({
    problem: 'a message without a type',
  })
})
