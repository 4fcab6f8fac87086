import { execFileSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { tarEntries, tarOf } from '../tar.ts'

const files = [
  ['a/b.txt', Buffer.from('text')],
  ['empty', Buffer.alloc(0)],
  ['block', Buffer.alloc(512, 'x')],
] as const
const archive = Buffer.concat([...tarOf(files)])

describe('an archive', () => {
  test('is read back as it was written: nobody owns it, and it has no time', () => {
    const common = { type: 'file', mode: 0o644, uid: 0, gid: 0, modifiedSeconds: 0 }
    expect([...tarEntries(archive)]).toEqual(files.map(([path, content]) => ({ ...common, path, content })))
  })

  test('is one for the tar of the machine too', () => {
    expect(execFileSync('tar', ['-tf', '-'], { input: archive }).toString()).toBe('a/b.txt\nempty\nblock\n')
    expect(execFileSync('tar', ['-xOf', '-', 'a/b.txt'], { input: archive }).toString()).toBe('text')
  })

  test('of the tar of the machine is read with its folders, links, modes and long names', () => {
    const name = `${'long/'.repeat(30)}name`
    const script = `cd "$(mktemp -d)" && trap 'rm -rf "$PWD"' EXIT && mkdir -p ${name} && touch s && chmod 4750 s && ln -s s l && tar --format=pax -cf - .`
    const found = [...tarEntries(execFileSync('sh', ['-c', script]))]
    expect(found.find(({ path }) => path === name)).toMatchObject({ type: 'folder' })
    expect(found.find(({ path }) => path === 's')).toMatchObject({ type: 'file', mode: 0o4750 })
    expect(found.find(({ path }) => path === 'l')).toMatchObject({ type: 'link' })
  })
})

test('fails if a name is too long for the plain format', () => {
  expect(() => [...tarOf([['x'.repeat(101), Buffer.alloc(0)]])]).toThrow(/at most 100 bytes/)
})

test('fails if what is read is no archive', () => {
  expect(() => [...tarEntries(Buffer.alloc(1024, 'no archive'))]).toThrow(/header of a file at byte 0/)
})
