import { describe, expect, test } from '@jest/globals'
import { largestMessageBytes } from '@regent/contract/messages.ts'
import { doneCommandRecord, payloadRecord } from '../../src/commands/command-records.ts'
import { endedWithoutAgent, endingOf, largestResultBytes, type Outcome } from '../../src/commands/ending.ts'
import { madeAtMs, openCommand } from './open-entry.ts'

const under = openCommand('c', {
  state: 'received',
  deliveries: 1,
  lastDelivery: { connectionId: 'x', holder: 'y', epoch: '7', at: new Date(madeAtMs).toISOString() },
})
const failed = (retryable: boolean): Outcome => ({ type: 'failed', commandId: 'c', error: 'no room', retryable })
const nowMs = madeAtMs + 1000

describe('a command that the agent has tried', () => {
  test('has ended with its result, whatever it is', () => {
    for (const result of [{ a: [1] }, null, 'text', 0]) {
      const ending = endingOf(under, { type: 'done', commandId: 'c', result }, '7', nowMs)
      expect(ending).toMatchObject({ kind: 'ended', done: { state: 'done', result, epoch: '7', deliveries: 1 } })
    }
  })

  test('has failed if its result cannot be kept, because it is longer than the message that told it', () => {
    const long = (count: number): unknown => JSON.parse(`[${Array(count).fill('1e20').join(',')}]`)
    const told = (result: unknown) => ({
      type: 'done' as const,
      commandId: 'c',
      result: payloadRecord.fromJson('c', { schema: 1, payload: result }).payload,
    })
    // 21 digits and a comma each, where the agent sent four and a comma.
    const most = Math.floor((largestResultBytes - 1) / 22)
    expect(
      Buffer.byteLength(
        `[${Array(most + 1)
          .fill('1e20')
          .join(',')}]`,
      ),
    ).toBeLessThan(largestMessageBytes)
    expect(endingOf(under, told(long(most)), '7', nowMs)).toMatchObject({ done: { state: 'done' } })
    const ending = endingOf(under, told(long(most + 1)), '7', nowMs)
    const message = expect.stringMatching(
      `at most ${largestResultBytes} bytes of JSON, got ${(most + 1) * 22 + 1}$`,
    ) as unknown
    expect(ending).toMatchObject({
      kind: 'ended',
      done: { state: 'failed', error: { code: 'failed', message }, epoch: '7' },
    })
    expect(ending).not.toHaveProperty('done.result')
  })

  test('has failed for good with the words of the agent', () => {
    expect(endingOf(under, failed(false), '7', nowMs)).toMatchObject({
      kind: 'ended',
      done: { state: 'failed', error: { code: 'failed', message: 'no room' }, finishedAt: '2026-01-01T00:00:01.000Z' },
    })
  })

  test('is tried again after a pause that doubles, until it was delivered three times', () => {
    const again = (deliveries: number): unknown => endingOf({ ...under, deliveries }, failed(true), '7', nowMs)
    expect(again(1)).toMatchObject({ kind: 'again', open: { state: 'queued', notBefore: '2026-01-01T00:00:02.000Z' } })
    expect(again(2)).toMatchObject({ kind: 'again', open: { deliveries: 2, notBefore: '2026-01-01T00:00:03.000Z' } })
    expect(again(3)).toMatchObject({ kind: 'ended', done: { error: { code: 'failed' } } })
  })

  test('is not tried again once it was given up, or is past its deadline', () => {
    const given = endingOf({ ...under, cancelRequestedBy: 'somebody' }, failed(true), '7', nowMs)
    expect(given).toMatchObject({
      kind: 'ended',
      done: { state: 'failed', error: { code: 'cancelled', message: 'no room' } },
    })
    expect(endingOf(under, failed(true), '7', madeAtMs + 60_000)).toMatchObject({ kind: 'ended' })
  })

  test('is done although it was given up, when the agent says so', () => {
    const done = endingOf(
      { ...under, cancelRequestedBy: 'somebody' },
      { type: 'done', commandId: 'c', result: 1 },
      '7',
      nowMs,
    )
    expect(done).toMatchObject({ kind: 'ended', done: { state: 'done', result: 1 } })
  })
})

test.each([
  ['expired', 'failed', /no result by its deadline$/],
  ['cancelled', 'failed', /^cancelled by boss$/],
  ['poisoned', 'poisoned', /delivered 0 times/],
] as const)('a command that %s without the agent is %s', (as, state, message) => {
  const done = endedWithoutAgent(openCommand('c', { cancelRequestedBy: 'boss' }), as, nowMs)
  expect(done).toMatchObject({ state, error: { code: as } })
  expect(done.error?.message).toMatch(message)
})

test('a command that was begun says that it may have taken effect', () => {
  expect(endedWithoutAgent(under, 'expired', nowMs).error?.message).toMatch(/may have taken effect/)
})

test('what only an open command has is not kept', () => {
  const done = endedWithoutAgent({ ...under, notBefore: new Date(nowMs).toISOString() }, 'expired', nowMs)
  expect(doneCommandRecord.serialize(done)).not.toMatch('notBefore')
})
