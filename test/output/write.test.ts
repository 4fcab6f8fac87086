import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ownershipLine } from '../../lib/output/serialize.ts'
import { abandonedEnvironments, compareOutput, OutputError, writeOutput } from '../../lib/output/write.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-output-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const ours = (text: string) => `${ownershipLine}\n${text}\n`
const files = (entries: Record<string, string>) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, ours(text)]))

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

function tree(): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

test('creates, changes and removes what differs, and says so', () => {
  writeOutput(folder, files({ 'dev/0-core/a.yaml': '1', 'dev/0-core/b.yaml': '1', 'dev/1-network/c.yaml': '1' }), [
    'dev',
  ])
  const written = writeOutput(
    folder,
    files({ 'dev/0-core/a.yaml': '1', 'dev/0-core/b.yaml': '2', 'dev/0-core/d.yaml': '1' }),
    ['dev'],
  )
  expect(written).toEqual({
    created: ['dev/0-core/d.yaml'],
    changed: ['dev/0-core/b.yaml'],
    removed: ['dev/1-network/c.yaml'],
    foreign: [],
  })
  expect(tree()).toEqual(['dev/0-core/a.yaml', 'dev/0-core/b.yaml', 'dev/0-core/d.yaml'])
  expect(readdirSync(join(folder, 'dev'))).toEqual(['0-core'])
  expect(readFileSync(join(folder, 'dev/0-core/b.yaml'), 'utf8')).toBe(ours('2'))
})

test('leaves files alone that it did not write, and names them', () => {
  put('dev/0-core/NOTES.md', 'mine')
  const written = writeOutput(folder, files({ 'dev/0-core/a.yaml': '1' }), ['dev'])
  expect(written.foreign).toEqual(['dev/0-core/NOTES.md'])
  expect(readFileSync(join(folder, 'dev/0-core/NOTES.md'), 'utf8')).toBe('mine')
})

test('leaves environments alone that were not asked for', () => {
  put('staging/0-core/old.yaml', ours('old'))
  writeOutput(folder, files({ 'dev/0-core/a.yaml': '1' }), ['dev'])
  expect(tree()).toContain('staging/0-core/old.yaml')
})

test('finds the environments that no longer exist', () => {
  put('gone/0-core/old.yaml', ours('old'))
  put('notes/readme.txt', 'mine')
  expect(abandonedEnvironments(folder, ['dev'])).toEqual(['gone'])
  expect(abandonedEnvironments(join(folder, 'missing'), ['dev'])).toEqual([])
})

test('compares without changing anything', () => {
  put('dev/0-core/a.yaml', ours('1'))
  expect(compareOutput(folder, files({ 'dev/0-core/a.yaml': '2' }), ['dev']).changed).toEqual(['dev/0-core/a.yaml'])
  expect(readFileSync(join(folder, 'dev/0-core/a.yaml'), 'utf8')).toBe(ours('1'))
})

describe('fails, with nothing changed, if', () => {
  test('a foreign file has the name of one of ours', () => {
    put('dev/0-core/a.yaml', 'mine')
    expect(() => writeOutput(folder, files({ 'dev/0-core/a.yaml': '1', 'dev/0-core/b.yaml': '1' }), ['dev'])).toThrow(
      OutputError,
    )
    expect(tree()).toEqual(['dev/0-core/a.yaml'])
    expect(readFileSync(join(folder, 'dev/0-core/a.yaml'), 'utf8')).toBe('mine')
  })

  test('a file is in the way of the folder', () => {
    put('output', 'mine')
    expect(() => writeOutput(join(folder, 'output'), files({ 'dev/a.yaml': '1' }), ['dev'])).toThrow(OutputError)
    expect(tree()).toEqual(['output'])
  })

  test('a folder is in the way of a file', () => {
    put('dev/0-core/b.yaml', ours('old'))
    put('dev/0-core/a.yaml/inner.txt', 'mine')
    expect(() => writeOutput(folder, files({ 'dev/0-core/a.yaml': '1', 'dev/0-core/b.yaml': 'new' }), ['dev'])).toThrow(
      OutputError,
    )
    expect(readFileSync(join(folder, 'dev/0-core/b.yaml'), 'utf8')).toBe(ours('old'))
    expect(tree()).not.toContainEqual(expect.stringContaining('.staging'))
  })
})
