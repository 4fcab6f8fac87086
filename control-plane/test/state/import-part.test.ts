import { describe, expect, test } from '@jest/globals'
import { mostStateProblems } from '@regent/contract/api.ts'
import * as fc from 'fast-check'
import { readPart } from '../../src/state/import-part.ts'
import type { ImportLock } from '../../src/state/import-records.ts'
import { batchesOf, putsOf } from '../../src/state/import-writes.ts'
import { entryText, type StateEntry } from '../../src/state/state-entries.ts'
import { mostOperations } from '../../src/store/store.ts'
import { keys } from '../../src/store/keys.ts'
import { anyState } from './entries.ts'

const since = '2026-05-04T03:02:01.000Z'
const lock: ImportLock = {
  ...{ importId: 'import-1', begunAt: since, begunBy: 'me', dropOpenCommands: false },
  ...{ nextPart: 0, entries: 0, checksum: 'a'.repeat(64), problems: 0 },
}
const terms = { nowMs: 0, droppedBy: undefined }
const open = (commandId: string, payload = ''): StateEntry => ({
  kind: 'open-command',
  command: {
    ...{ agentId: 'a', commandId, action: 'x', target: 't', createdAt: since, createdBy: 'me', deadlineAt: since },
    ...{ payloadBytes: payload.length + 2, deliveries: 0, state: 'queued' },
  },
  payload,
})
const agent: StateEntry = { kind: 'agent', agentId: 'a', agent: { approval: 'approved', registeredAt: since } }
const batches = (entries: readonly StateEntry[]) =>
  batchesOf(entries.map((entry) => ({ entry, puts: putsOf(entry, terms) })))

describe('a part', () => {
  test('comes to the same, however the state is divided', () => {
    fc.assert(
      fc.property(anyState, fc.integer({ min: 1, max: 5 }), (state, size) => {
        const lines = state.map(entryText)
        const whole = readPart(lock, lines, terms)
        let held = lock
        const divided: unknown[] = []
        for (let from = 0; from < lines.length; from += size) {
          const read = readPart(held, lines.slice(from, from + size), terms)
          divided.push(...read.batches.flat())
          held = read.next
        }
        if (lines.length === 0) return
        expect(held).toMatchObject({ entries: lines.length, checksum: whole.next.checksum, problems: 0 })
        expect(divided).toEqual(whole.batches.flat())
      }),
      { numRuns: 100 },
    )
  })

  test('writes nothing once anything of the state is wrong', () => {
    const wrong = readPart(lock, [entryText(agent), 'x'], terms)
    expect(wrong.batches).toEqual([])
    expect(wrong.next.lastPart?.problems).toEqual([{ line: 3, message: expect.stringContaining('JSON') as unknown }])
    const right = readPart(wrong.next, [entryText(open('c'))], terms)
    expect(right.batches).toEqual([])
    expect(right.next).toMatchObject({ problems: 1, nextPart: 2, lastPart: { problems: [] } })
  })

  test('names problems until there are enough of them, and counts all', () => {
    const first = readPart(lock, Array<string>(mostStateProblems - 1).fill('x'), terms)
    const second = readPart(first.next, ['x', 'x', 'x'], terms)
    expect(first.next.lastPart?.problems).toHaveLength(mostStateProblems - 1)
    expect(second.next.lastPart?.problems).toHaveLength(1)
    expect(second.next.problems).toBe(mostStateProblems + 2)
  })

  test('fails if a command is in it twice, or an id is none', () => {
    const lines = [agent, open('c'), open('d'), open('c')].map(entryText)
    expect(readPart(lock, lines, terms).next.lastPart?.problems).toEqual([{ line: 5, message: 'it is there twice' }])
    const foreign = { ...agent, agentId: 'A' }
    expect(readPart(lock, [entryText(foreign)], terms).next.problems).toBe(1)
  })
})

describe('what is written at once', () => {
  test('is no more than etcd takes', () => {
    const many = Array.from({ length: 500 }, (_, index) => open(`c-${String(index).padStart(3, '0')}`))
    for (const batch of batches(many)) expect(batch.length).toBeLessThan(mostOperations)
    const large = Array.from({ length: 8 }, (_, index) => open(`c-${index}`, 'x'.repeat(200_000)))
    expect(batches(large).map((batch) => batch.length)).toEqual([6, 6, 4])
  })

  test('are open commands in the order of their ids: one that is not begins another transaction', () => {
    const inBatches = batches(['a', 'b', 'b2', 'a2', 'c', 'b3'].map((commandId) => open(commandId)))
    const key = (commandId: string) => keys.openCommand('a', commandId)
    const opens = inBatches.map((batch) => batch.map(({ put }) => put).filter((put) => put.includes('/open/')))
    expect(opens).toEqual([[key('a'), key('b'), key('b2')], [key('a2'), key('c')], [key('b3')]])
  })

  test('is what ended with an end, and an agent as one that is not there', () => {
    const at = { nowMs: Date.parse(since), droppedBy: 'somebody' }
    const dropped = putsOf(open('c'), at)
    expect(dropped.map(({ put, expires }) => [put, expires])).toEqual([
      [keys.doneCommand('a', 'c'), true],
      [keys.commandPayload('a', 'c'), true],
    ])
    expect(dropped[0]?.value).toContain('cancelled by somebody')
    const status = putsOf(agent, at).find(({ put }) => put === keys.status('a'))
    expect(JSON.parse(status?.value ?? '')).toEqual({ schema: 1, health: 'offline', since })
  })
})
