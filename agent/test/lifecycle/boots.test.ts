import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { bootWindowMilliseconds, recordBoot } from '../../src/lifecycle/boots.ts'

const minute = 60_000
const start = Date.parse('2026-07-01T12:00:00Z')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-boots-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (): string => join(folder, 'regent-agent-boots-uid.json')
const may = (atMilliseconds: number): boolean => recordBoot(folder, 'uid', atMilliseconds).mayRetakeAtOnce

test('the first restart takes the Lease back at once, the third start in five minutes does not', () => {
  expect([may(start), may(start + minute), may(start + 2 * minute), may(start + 3 * minute)]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('tells when the start before was', () => {
  expect(recordBoot(folder, 'uid', start).previousStartMs).toBeUndefined()
  expect(recordBoot(folder, 'uid', start + minute).previousStartMs).toBe(start)
  expect(recordBoot(folder, 'uid', start + minute + bootWindowMilliseconds).previousStartMs).toBeUndefined()
})

test('starts that are five minutes ago count no more', () => {
  expect([may(start), may(start + minute)]).toEqual([true, true])
  expect(may(start + bootWindowMilliseconds)).toBe(true)
  expect(may(start + minute + 2 * bootWindowMilliseconds)).toBe(true)
})

test('pods that share a folder do not count for each other', () => {
  for (const pod of ['a', 'b', 'c', 'd']) expect(recordBoot(folder, pod, start).mayRetakeAtOnce).toBe(true)
})

test.each(['', '{', 'null', '{"a":1}', '["x", null, {}]', '[1e999, -1]', '\u0000\u0000', `[${'1,'.repeat(1e5)}1]`])(
  'garbage in the file is as if it were not there: %#',
  (garbage) => {
    writeFileSync(file(), garbage)
    expect(recordBoot(folder, 'uid', start)).toEqual({ mayRetakeAtOnce: true })
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual([start])
  },
)

test('the file stays small in a crash loop, and nothing else is left behind', () => {
  for (let boot = 0; boot < 100; boot += 1) may(start + boot)
  expect((JSON.parse(readFileSync(file(), 'utf8')) as number[]).length).toBe(8)
  expect(readdirSync(folder)).toEqual(['regent-agent-boots-uid.json'])
})

test('a clock that was set back does not forget the crash loop', () => {
  expect([may(start), may(start + 1000), may(start - minute)]).toEqual([true, true, false])
})

test('where a start cannot be remembered the pod waits, and says why', () => {
  expect(recordBoot(join(folder, 'missing'), 'uid', start)).toEqual({
    mayRetakeAtOnce: false,
    unknown: expect.objectContaining({ code: 'ENOENT' }) as unknown,
  })
  mkdirSync(file())
  expect(recordBoot(folder, 'uid', start)).toMatchObject({ mayRetakeAtOnce: false })
})
