import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ImageLockError } from '../../lib/images/lock.ts'
import { ownershipLine } from '../../lib/output/serialize.ts'
import { OutputError } from '../../lib/output/write.ts'
import { comparePromotion, foreignProblems, problemsOf, promote } from '../../lib/promote.ts'
import type { Synthesis } from '../../lib/synthesize.ts'
import { filesBelow } from './program.ts'

const ours = `${ownershipLine}\nkind: Thing\n`
const file = 'dev/0-core/90-thing.yaml'
const synthesis: Synthesis = {
  environments: [{ name: 'dev', environment: undefined, index: undefined, problems: [] }],
  problems: [],
  files: new Map([[file, ours]]),
}

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-promote-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

describe('promote', () => {
  test('removes our files of an environment that is gone, and names the others there', () => {
    put({ 'gone/0-core/90-thing.yaml': ours, 'gone/1-network/90-thing.yaml': ours, 'gone/README.md': 'mine' })
    const written = promote(synthesis, folder, true)
    expect(written).toEqual({
      created: [file],
      changed: [],
      removed: ['gone/0-core/90-thing.yaml', 'gone/1-network/90-thing.yaml'],
      foreign: ['gone/README.md'],
    })
    expect(filesBelow(folder)).toEqual({ [file]: ours, 'gone/README.md': 'mine' })
    expect(existsSync(join(folder, 'gone/0-core'))).toBe(false)
    expect(foreignProblems(written, 'dist')).toEqual([
      expect.objectContaining({ path: 'dist/gone/README.md', severity: 'warning' }),
    ])
  })

  test('leaves other environments alone unless every one was synthesized', () => {
    const others = { 'gone/0-core/90-thing.yaml': ours }
    put(others)
    expect(promote(synthesis, folder, false).removed).toEqual([])
    expect(filesBelow(folder)).toEqual({ ...others, [file]: ours })
  })

  test('takes nothing for an environment but <environment>/<application>/<file of ours>', () => {
    const others = {
      'dist/dev/0-core/90-thing.yaml': ours,
      'mine/0-core/thing.yaml': 'kind: Mine\n',
      'loose/thing.yaml': ours,
    }
    put(others)
    expect(promote(synthesis, folder, true)).toMatchObject({ removed: [], foreign: [] })
    expect(filesBelow(folder)).toEqual({ ...others, [file]: ours })
  })

  test('clears what an interrupted run has left', () => {
    put({ '.staging/dev/0-core/90-thing.yaml': ours, '.staging/0-core/90-thing.yaml': ours })
    expect(promote(synthesis, folder, true)).toMatchObject({ created: [file], removed: [] })
    expect(filesBelow(folder)).toEqual({ [file]: ours })
  })

  test('names links to nowhere and to folders as foreign and follows none', () => {
    put({ 'dev/notes.txt': 'mine', 'other/output/dev/90-thing.yaml': ours })
    symlinkSync('/nonexistent', join(folder, 'dev/nowhere'))
    symlinkSync(join(folder, 'other/output/dev'), join(folder, 'dev/folder'))
    symlinkSync(folder, join(folder, 'dev/circle'))
    const { foreign, removed } = promote(synthesis, folder, true)
    expect(removed).toEqual([])
    expect(foreign).toEqual(['dev/circle', 'dev/folder', 'dev/notes.txt', 'dev/nowhere'])
  })

  test.each([
    ['a folder of which it can make nothing', '/proc/regent', /mkdir/],
    ['a file system that takes no folder', '/proc', /mkdir/],
  ])('refuses %s instead of trying for ever', (_, path, received) => {
    expect.assertions(1)
    try {
      promote(synthesis, path, false)
    } catch (error) {
      expect(problemsOf(error)).toEqual([
        expect.objectContaining({ path, received: expect.stringMatching(received) as unknown }),
      ])
    }
  })

  test.each([
    ['an environment', 'dev'],
    ['an application', 'dev/0-core'],
  ])('refuses a file in the place of %s', (_, path) => {
    put({ [path]: 'mine' })
    expect(() => promote(synthesis, folder, true)).toThrow(OutputError)
    expect(filesBelow(folder)).toEqual({ [path]: 'mine' })
  })
})

describe('comparePromotion', () => {
  test('says what promote would do and does nothing', () => {
    put({ [file]: `${ownershipLine}\nkind: Old\n`, 'gone/0-core/90-thing.yaml': ours })
    const before = filesBelow(folder)
    expect(comparePromotion(synthesis, folder, true)).toEqual({
      created: [],
      changed: [file],
      removed: ['gone/0-core/90-thing.yaml'],
      foreign: [],
    })
    expect(filesBelow(folder)).toEqual(before)
  })

  test('finds everything missing where there is no folder', () => {
    put({ plain: 'mine' })
    for (const path of [join(folder, 'none'), join(folder, 'plain')]) {
      expect(comparePromotion(synthesis, path, true)).toMatchObject({ created: [file], foreign: [] })
    }
  })
})

describe('problemsOf', () => {
  test('finds words for what a user can correct', () => {
    const problem = { path: 'x', received: 'a', expected: 'b', fix: 'c', severity: 'error' } as const
    expect(problemsOf(new OutputError(problem))).toEqual([problem])
    expect(problemsOf(new ImageLockError([problem, problem]))).toEqual([problem, problem])
    const denied = Object.assign(new Error('EACCES: denied'), { code: 'EACCES', syscall: 'open', path: '/x' })
    expect(problemsOf(denied)).toEqual([expect.objectContaining({ path: '/x', received: 'EACCES: denied' })])
  })

  test('throws a defect on', () => {
    expect(() => problemsOf(new TypeError('defect'))).toThrow('defect')
  })
})
