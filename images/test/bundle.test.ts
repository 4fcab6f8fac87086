import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { bundle } from '../bundle.ts'
import { bundledPackages, noticesText } from '../bundled-packages.ts'

let top = ''
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'regent-bundle-'))
})
afterEach(() => rmSync(top, { recursive: true }))

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(top, name)), { recursive: true })
    writeFileSync(join(top, name), text)
  }
}

/** What a module prints that is run by this Node, without TypeScript's help and beside nothing else. */
async function output(file: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, [file], { cwd: tmpdir() })).stdout
}

async function bundled(main: string): Promise<string> {
  const { files } = await bundle([join(top, main)], top)
  for (const [name, content] of files) write({ [`out/${name}`]: Buffer.from(content).toString() })
  return join(top, 'out/main.mjs')
}

const worker = {
  'package.json': '{"type":"module"}',
  'src/main.ts': `import { Worker } from 'node:worker_threads'
    import { greeting } from './elector/greeting.ts'
    const started: Worker = new Worker(new URL('./elector/worker.ts', import.meta.url))
    started.on('message', (text: string) => console.log(greeting, text))`,
  'src/elector/greeting.ts': `export const greeting: string = 'hello'`,
  'src/elector/worker.ts': `import { parentPort, Worker } from 'node:worker_threads'
    import { greeting } from './greeting.ts'
    const watchdog = new Worker(new URL("../watchdog.ts", import.meta.url))
    watchdog.on('message', (text: string) => parentPort?.postMessage(greeting + ' ' + text))`,
  'src/watchdog.ts': `import { parentPort } from 'node:worker_threads'
    parentPort?.postMessage('from the last')`,
}

describe('a bundle', () => {
  test('starts the workers that its source starts, and those that they start', async () => {
    write(worker)
    expect(await output(join(top, 'src/main.ts'))).toBe('hello hello from the last\n')
    const main = await bundled('src/main.ts')
    rmSync(join(top, 'src'), { recursive: true })
    expect(await output(main)).toBe('hello hello from the last\n')
  })

  test('runs packages of the older kind of module, which ask for others and for their own folder', async () => {
    write({
      'src/main.ts': `import old from 'old'; console.log(old)`,
      'node_modules/old/package.json': '{"name":"old","version":"1.2.3","license":"ISC"}',
      'node_modules/old/index.js': `const os = require('os'); const name = 'path'
        module.exports = [typeof os.EOL, typeof require(name).join, typeof __dirname, typeof __filename].join()`,
    })
    expect(await output(await bundled('src/main.ts'))).toBe('string,function,string,string\n')
  })

  test('holds several programs, each run by its name, and what they share once', async () => {
    write({
      'package.json': '{"type":"module"}',
      'src/main.ts': `import { shared } from './shared.ts'; console.log('main', shared)`,
      'src/other.ts': `import { shared } from './shared.ts'; console.log('other', shared)`,
      'src/shared.ts': `export const shared: string = 'said once'`,
    })
    const { files } = await bundle([join(top, 'src/main.ts'), join(top, 'src/other.ts')], top)
    for (const [name, content] of files) write({ [`out/${name}`]: Buffer.from(content).toString() })
    expect(await output(join(top, 'out/main.mjs'))).toBe('main said once\n')
    expect(await output(join(top, 'out/other.mjs'))).toBe('other said once\n')
    const texts = [...files.values()].map((content) => Buffer.from(content).toString())
    expect(texts.filter((text) => text.includes('said once'))).toHaveLength(1)
  })

  test('is the same from another folder', async () => {
    write(worker)
    const first = await bundle([join(top, 'src/main.ts')], top)
    const before = top
    top = mkdtempSync(join(tmpdir(), 'regent-elsewhere-'))
    try {
      write(worker)
      expect(await bundle([join(top, 'src/main.ts')], top)).toEqual(first)
    } finally {
      rmSync(before, { recursive: true })
    }
  })

  test('fails if two workers have one name', async () => {
    write({
      ...worker,
      'src/elector/worker.ts': '',
      'src/worker.ts': `export default new URL('./elector/worker.ts', import.meta.url)`,
    })
    write({ 'src/main.ts': `export default [new URL('./worker.ts', import.meta.url)]` })
    await expect(bundle([join(top, 'src/main.ts')], top)).rejects.toThrow(/a name of its own, got that of/)
  })

  test('fails if a module is not there', async () => {
    write({ 'src/main.ts': `import 'absent'` })
    await expect(bundle([join(top, 'src/main.ts')], top)).rejects.toThrow(/Could not resolve "absent"/)
  })
})

describe('the packages of a bundle', () => {
  const lock = (version: string): string =>
    JSON.stringify({ packages: { 'node_modules/@a/used': { version, integrity: 'sha512-AAAA' } } })
  const files = {
    'src/main.ts': `import { used } from '@a/used'; console.log(used)`,
    'node_modules/@a/used/package.json':
      '{"name":"@a/used","version":"1.2.3","license":"ISC","type":"module","sideEffects":false}',
    'node_modules/@a/used/index.js': `import 'looked-at'; export const used = 1`,
    'node_modules/@a/used/LICENSE.md': 'Do as you like.\n',
    'node_modules/looked-at/package.json': '{"name":"looked-at","version":"1.0.0","type":"module","sideEffects":false}',
    'node_modules/looked-at/index.js': `export const unused = 1`,
  }

  test('are those of which something is in it, with what their licences ask to pass on', async () => {
    write({ ...files, 'package-lock.json': lock('1.2.3') })
    const { sources } = await bundle([join(top, 'src/main.ts')], top)
    const packages = await bundledPackages(sources, top)
    const notices = ['Do as you like.\n']
    expect(packages).toEqual([{ name: '@a/used', version: '1.2.3', license: 'ISC', integrity: 'sha512-AAAA', notices }])
    expect(noticesText(packages)).toMatch(/^@a\/used 1\.2\.3 \(ISC\)\n\n=+\n\nDo as you like\.\n$/)
  })

  test.each([
    [
      'another version is installed than the locked one',
      lock('1.2.4'),
      /expected 1\.2\.4 as package-lock\.json says, got 1\.2\.3/,
    ],
    ['one is not locked', '{"packages":{}}', /integrity of node_modules\/@a\/used, got none/],
  ])('fail if %s', async (_, text, expected) => {
    write({ ...files, 'package-lock.json': text })
    const { sources } = await bundle([join(top, 'src/main.ts')], top)
    await expect(bundledPackages(sources, top)).rejects.toThrow(expected)
  })
})
