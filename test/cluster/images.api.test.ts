import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packImage } from './images.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-images-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The digest of an image with one program, as somebody with that umask and at that time would build it. */
async function digestOf(name: string, content: string, mode: number, time: number): Promise<string> {
  const source = join(folder, name)
  mkdirSync(source)
  writeFileSync(join(source, 'program'), content)
  chmodSync(join(source, 'program'), mode)
  utimesSync(join(source, 'program'), time, time)
  return (await packImage(folder, { reference: 'localhost/image:1', files: { '/bin': source } })).digest
}

test('the digest of an image depends on its files, and not on when or by whom it was built', async () => {
  const first = await digestOf('first', 'same', 0o755, 1_000_000_000)
  expect(first).toMatch(/^sha256:[0-9a-f]{64}$/)
  expect(await digestOf('second', 'same', 0o700, 1_700_000_000)).toBe(first)
  expect(await digestOf('third', 'other', 0o755, 1_000_000_000)).not.toBe(first)
})
