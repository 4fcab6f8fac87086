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

/** A process that prepares a file descriptor, writes a last line to it, does something else, and kills itself. */
function dying(prepared: string, afterwards = '') {
  const code = `
    import { constants, open, openSync, writeSync } from 'node:fs'
    import { writeLastLine } from ${JSON.stringify(module)}
    ${prepared}
    const line = ${JSON.stringify({ always, event, fields })}
    writeLastLine({ ...line, fileDescriptor }, () => process.kill(process.pid, 'SIGKILL'))
    ${afterwards}
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    // With one thread for files, a test decides when the line is written.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

test('a line is out although the process got no CPU for longer than the line may take', async () => {
  const pipe = join(folder, 'gate')
  execFileSync('mkfifo', [pipe])
  // The line waits for a pipe that is opened after all timers that are over when the process goes on.
  const { child, ended } = dying(
    `
      open(${JSON.stringify(pipe)}, 'r', () => undefined)
      const fileDescriptor = 1
    `,
    `
      setTimeout(() => openSync(${JSON.stringify(pipe)}, 'w'), 150)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    `,
  )
  expect(await text(child.stdout)).toContain(event)
  expect(await ended).toEqual([null, 'SIGKILL'])
})
