import { describe, expect, test } from '@jest/globals'
import { largestPayloadBytes } from '@regent/contract/api.ts'
import * as fc from 'fast-check'
import { entryText, readEntry } from '../../src/state/state-entries.ts'
import { misplaced, placeOf } from '../../src/state/state-order.ts'
import { anyState } from './entries.ts'

const since = '2026-05-04T03:02:01.000Z'
const common = { agentId: 'a', commandId: 'c', action: 'x', target: 't', createdAt: since, createdBy: 'me' }
const command = { schema: 1, ...common, deadlineAt: since, payloadBytes: 2, deliveries: 0, state: 'queued' }
const line = (changed: object): string =>
  JSON.stringify({ kind: 'open-command', command, payload: { schema: 1, payload: {} }, ...changed })

describe('an entry', () => {
  test('is read as it was written, as the same line', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        for (const entry of state) {
          const text = entryText(entry)
          expect(text).not.toContain('\n')
          const read = readEntry(text)
          expect(read).toEqual({ entry })
          if ('entry' in read) expect(entryText(read.entry)).toBe(text)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('is any text, or not, and never an error of ours', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(readEntry(text)).toHaveProperty('problem')
      }),
    )
  })

  test.each([
    ['JSON that is cut off', line({}).slice(0, -1), 'expected JSON'],
    ['a kind that is not known', '{"kind":"session"}', 'no entry of a state that is known here: kind'],
    ['a field that is not known', line({ more: 1 }), 'no entry of a state that is known here: the line'],
    ['a newer record', line({ command: { ...command, schema: 2 } }), 'expected schema 1, got 2; a newer control plane'],
    ['a record that is none', line({ command: { ...command, state: 'done' } }), 'command: not of its kind: state'],
    ['no payload', line({ payload: undefined }), 'no entry of a state that is known here: payload'],
    [
      'a payload that is too large',
      line({ payload: { schema: 1, payload: 'x'.repeat(largestPayloadBytes) } }),
      `payload: expected at most ${largestPayloadBytes} bytes`,
    ],
    ['JSON without an end of depth', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'nested deeper'],
  ])('fails if it is %s', (_, text, problem) => {
    const read = readEntry(text)
    expect('problem' in read && read.problem).toContain(problem)
  })

  test('keeps what a newer control plane has added to a record', () => {
    const read = readEntry(line({ command: { ...command, more: 'much' } }))
    const text = 'entry' in read ? entryText(read.entry) : ''
    expect(JSON.parse(text)).toMatchObject({ command: { ...command, more: 'much' } })
    const again = readEntry(text)
    expect('entry' in again && entryText(again.entry)).toBe(text)
  })
})

describe('the order of a state', () => {
  test('is one that every state has, and no other order of it has', () => {
    fc.assert(
      fc.property(anyState, fc.nat(), fc.nat(), (state, from, to) => {
        const problems = (entries: typeof state) =>
          entries.flatMap((entry, index) => {
            const before = entries[index - 1]
            return misplaced(entry, before && placeOf(before)) ?? []
          })
        expect(problems(state)).toEqual([])
        if (state.length < 2) return
        const [one, other] = [from % state.length, to % state.length]
        const swapped = state.map(
          (entry, index) => state[index === one ? other : index === other ? one : index] ?? entry,
        )
        const areOpen = [one, other].every((index) => state[index]?.kind === 'open-command')
        if (one !== other && !areOpen) expect(problems(swapped)).not.toEqual([])
        const twice = state.flatMap((entry, index) => (index === one ? [entry, entry] : [entry]))
        if (state[one]?.kind !== 'open-command') expect(problems(twice)).not.toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
