import { describe, expect, test } from '@jest/globals'
import { longestStateLine, mostStateProblems } from '@regent/contract/api.ts'
import { readStateHeader, readStateTrailer, stateHeader, stateTrailer } from '@regent/contract/state-file.ts'
import { damagedJson, damagedText } from '@regent/contract/test/support/damaged.ts'
import fc from 'fast-check'
import { readPart } from '../../src/state/import-part.ts'
import { importLockRecord } from '../../src/state/import-records.ts'
import { entryText, readEntry } from '../../src/state/state-entries.ts'
import { anyState } from './entries.ts'

// A failure prints its seed: give it to `fc.assert` to see it again.

const since = '2026-05-04T03:02:01.000Z'
const lock = importLockRecord.fromJson('lock', {
  ...{ schema: 1, importId: 'import-1', begunAt: since, begunBy: 'me', dropOpenCommands: false },
  ...{ nextPart: 0, entries: 0, checksum: 'a'.repeat(64), problems: 0 },
})
const header = {
  ...{ kind: 'regent-state', format: 1, exportedAt: since, from: 'https://regent.example', revision: '7' },
  expected: { agents: 1 },
}
const trailer = { kind: 'end', entries: 1, checksum: 'a'.repeat(64), leftOut: 0 }

/** What fails is told as it came: to make whole states smaller takes longer than to read them. */
const unshrunk = { endOnFailure: true }

/** Lines of a state of which each was damaged, or not. */
const damagedLines = anyState
  .filter((state) => state.length > 0)
  .chain((state) =>
    fc.tuple(
      ...state.map((entry) => {
        const text = entryText(entry)
        return fc.oneof(...damaged(JSON.parse(text), text), fc.constant(text))
      }),
    ),
  )

function damaged(json: unknown, text: string): readonly fc.Arbitrary<string>[] {
  return [damagedJson(fc.constant(json)).map((changed) => JSON.stringify(changed)), damagedText(fc.constant(text))]
}

describe('a state that was damaged', () => {
  test('has entries that are read to the same when they are written, and problems in few words', () => {
    const seen = { entries: 0, problems: 0 }
    fc.assert(
      fc.property(damagedLines, (lines) => {
        for (const line of lines) {
          const read = readEntry(line)
          if ('problem' in read) {
            seen.problems += 1
            expect(read.problem.length).toBeLessThan(1000)
          } else {
            seen.entries += 1
            expect(readEntry(entryText(read.entry))).toEqual(read)
          }
        }
      }),
      { numRuns: 100, ...unshrunk },
    )
    expect(Math.min(seen.entries, seen.problems)).toBeGreaterThan(20)
  })

  test.each([undefined, 'somebody'])(
    'writes all of a part or nothing, and tells what is wrong by its lines (given up by: %s)',
    (droppedBy) => {
      fc.assert(
        fc.property(damagedLines, fc.nat(mostStateProblems + 5), (lines, before) => {
          const { batches, next } = readPart({ ...lock, problems: before }, lines, { nowMs: 0, droppedBy })
          const told = next.lastPart?.problems ?? []
          expect(next.entries).toBe(lines.length)
          expect(told.length).toBe(Math.min(next.problems - before, Math.max(0, mostStateProblems - before)))
          for (const { line } of told) expect(lines[line - 2]).toBeDefined()
          if (next.problems > 0) expect(batches).toEqual([])
          else expect(batches.flat().length).toBeGreaterThanOrEqual(lines.length)
          // What the next part is read by survives being stored.
          expect(importLockRecord.fromJson('lock', JSON.parse(importLockRecord.serialize(next)))).toEqual(next)
        }),
        { numRuns: 60, ...unshrunk },
      )
    },
  )

  test.each([
    ['first', header, stateHeader, readStateHeader],
    ['last', trailer, stateTrailer, readStateTrailer],
  ] as const)('has a %s line that is read, or told in few words to be none', (_, sound, schema, read) => {
    expect(read(JSON.stringify(sound))).not.toHaveProperty('problem')
    const lines = fc.oneof(...damaged(sound, JSON.stringify(sound)), fc.string({ unit: 'binary' }), fc.json())
    fc.assert(
      fc.property(lines, (line) => {
        const found = read(line)
        if ('problem' in found) expect(found.problem.length).toBeLessThan(5000)
        else expect(schema.safeParse(JSON.parse(line)).success).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('has the longest line refused in bounded time, whatever it is of', () => {
    const half = longestStateLine / 2
    const fields = Array.from({ length: longestStateLine / 12 }, (_, index) => `"${index}":0`).join(',')
    for (const line of [
      'x'.repeat(longestStateLine),
      `${'['.repeat(half)}${']'.repeat(half)}`,
      `{${fields}}`,
      `{"kind":"token","tokenId":"aaaaaaaa","token":{"schema":1,${fields}}}`,
      `{"kind":"agent","agentId":"${'a'.repeat(longestStateLine)}","agent":{}}`,
    ]) {
      const beganMs = performance.now()
      const read = readEntry(line)
      expect('problem' in read && read.problem.length < 1000).toBe(true)
      expect(performance.now() - beganMs).toBeLessThan(5000)
    }
  })
})
