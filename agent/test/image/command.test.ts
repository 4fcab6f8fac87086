import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

const command = join(import.meta.dirname, '../../../images/command.ts')
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-image-command-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command where no other program is to be found. */
function image(...args: readonly string[]): Promise<Ended> {
  const env = { PATH: folder, INIT_CWD: folder, HOME: folder, TMPDIR: folder }
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr })
    })
  })
}

test.each([
  ['the image is none of ours', ['other'], /expected an image of ours \(agent, control-plane\), got 'other'/],
  [
    'a platform is unknown',
    ['agent', '--platform', 'linux/arm'],
    /expected some of linux\/amd64, linux\/arm64, .* got 'linux\/arm'/,
  ],
  [
    'it would be pushed without its version',
    ['agent', '--push', 'r.example/agent:latest'],
    /--push: expected a registry/,
  ],
  [
    'a base cannot stand in a Dockerfile',
    ['agent', '--context', 'made', '--base', 'two words'],
    /BASE: expected text without/,
  ],
  ['the compression is unknown', ['agent', '--compression', 'xz'], /Allowed choices are gzip, zstd/],
])('fails if %s', async (_, args, expected) => {
  const { code, stdout, stderr } = await image(...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(expected)
  expect(stderr).not.toMatch(/^ {4}at /m)
})

test('without a builder it says how to get one, and how to do without', async () => {
  const { code, stderr } = await image('agent', '--platform', 'linux/amd64')
  expect(code).toBe(1)
  expect(stderr).toContain('apt-get install --yes --no-install-recommends buildah')
  expect(stderr).toContain('--context FOLDER')
  expect(existsSync(join(folder, 'agent.tar'))).toBe(false)
})

test('a folder that holds something is not prepared', async () => {
  writeFileSync(join(folder, 'mine'), '')
  const { code, stderr } = await image('agent', '--context', '.')
  expect(code).toBe(1)
  expect(stderr).toContain('expected an empty folder, got one with files')
})
