import { afterAll, expect, test } from '@jest/globals'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { endWithUs } from '../support/end-with-us.ts'
import { recordedLog } from '../support/recorded-log.ts'

const module = join(import.meta.dirname, '../../logging/last-line.ts')
const always = { agent: 'local', pod: 'pod-0' }
const event = 'the-end'
const fields = { message: 'it hung', token: 'abc', seconds: 2 }

const folder = mkdtempSync(join(tmpdir(), 'regent-last-line-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A process that prepares a file descriptor, writes a last line to it, and kills itself. */
function dying(prepared: string) {
  const code = `
    import { constants, openSync, writeSync } from 'node:fs'
    import { writeLastLine } from ${JSON.stringify(module)}
    ${prepared}
    const line = ${JSON.stringify({ always, event, fields })}
    writeLastLine({ ...line, fileDescriptor }, () => process.kill(process.pid, 'SIGKILL'))
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithUs(child)
  return { child, ended: once(child, 'exit') }
}

test('a last line looks like one of the log, and is out before the end', async () => {
  const { child, ended } = dying('const fileDescriptor = 1')
  const written = await text(child.stdout)
  expect(await ended).toEqual([null, 'SIGKILL'])
  const { log, text: logged } = recordedLog('error', always)
  log.error(event, fields)
  const withoutTime = (line: string): string => line.replace(/"time":"[^"]+"/, '"time":""')
  expect(withoutTime(written)).toBe(withoutTime(logged()))
})

test('a reader of the log that hangs does not keep the end from coming', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const { ended } = dying(`
    const filling = openSync(${JSON.stringify(pipe)}, constants.O_RDWR | constants.O_NONBLOCK)
    try {
      for (;;) writeSync(filling, Buffer.alloc(4096))
    } catch {}
    const fileDescriptor = openSync(${JSON.stringify(pipe)}, 'r+')
  `)
  expect(await ended).toEqual([null, 'SIGKILL'])
})
