import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { recordedLog } from '../support/recorded-log.ts'

const jwt = 'eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhZ2VudCJ9.c2lnbmF0dXJl'

test('a line has its level as text, the time with milliseconds, who wrote it and a stable event', () => {
  const { log, lines } = recordedLog('info', { agent: 'local', pod: 'agent-0' })
  log.warn('watch-restarted', { reason: 'gone', seconds: 1.5, epoch: 12345678901234567890n, held: true })
  expect(lines()).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      agent: 'local',
      pod: 'agent-0',
      event: 'watch-restarted',
      reason: 'gone',
      seconds: 1.5,
      epoch: '12345678901234567890',
      held: true,
    },
  ])
})

test('what is less important than the level is not written', () => {
  const { log, events } = recordedLog('warn')
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.error('d')
  expect(events()).toEqual(['c', 'd'])
})

test('an error is its message, what caused it and where it was thrown, in one line', () => {
  const { log, lines, text } = recordedLog()
  log.error('failed', { error: new Error('no answer', { cause: new TypeError('socket\nclosed') }) })
  expect(lines()[0]).toMatchObject({
    error: 'Error: no answer; caused by TypeError: socket\nclosed',
    errorStack: expect.stringContaining('log.test.ts') as unknown,
  })
  expect(text().trimEnd()).not.toContain('\n')
})

test.each(['authorization', 'Authorization', 'token', 'apiKey', 'api-key', 'client_secret', 'password', 'set-cookie'])(
  'the value of a field named %s is never written',
  (name) => {
    const { log, text } = recordedLog()
    log.info('request', { [name]: 'hunter2' })
    expect(text()).not.toContain('hunter2')
  },
)

test.each([
  ['a bearer token', `GET /x Authorization: Bearer ${jwt}`],
  ['a token of another kind', 'sent "Bearer c2VjcmV0" to nobody'],
  ['a JSON Web Token', `token ${jwt} was refused`],
  ['a private key', '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----'],
  ['a private key that was cut', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0'],
  ['credentials in a URL', 'https://agent:c2VjcmV0@example.test/'],
])('%s inside of a text is never written', (_, secret) => {
  const { log, text } = recordedLog()
  log.error('failed', { message: secret, error: new Error('outer', { cause: new Error(secret) }) })
  expect(text()).toContain('[redacted]')
  expect(text()).not.toContain('c2VjcmV0')
  expect(text()).not.toContain('c2lnbmF0dXJl')
})

test('a long text is cut and says so, and no secret is uncovered by the cut', () => {
  const { log, lines } = recordedLog()
  log.info('long', { body: 'x'.repeat(5000), late: `${'x'.repeat(1010)} Bearer c2VjcmV0c2VjcmV0` })
  expect(lines()[0]).toMatchObject({ body: `${'x'.repeat(1024)}… (5000 characters)` })
  expect(JSON.stringify(lines())).not.toContain('c2Vj')
})

test('nothing in a text can end the line, start another or reorder it', () => {
  const { log, text, lines } = recordedLog()
  log.info('odd', { holder: 'a\n{"level":"error"}\r\u0000\u001b[2J\u0085\u2028\u202e\ud800' })
  expect(lines()).toHaveLength(1)
  expect(text().trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
})

test('a field cannot pretend to be one that every line has', () => {
  const { log, lines } = recordedLog('info', { agent: 'local' })
  log.info('notice', { level: 'debug', time: 'never', event: 'other', agent: 'another' })
  expect(lines()[0]).toMatchObject({ level: 'info', event: 'notice', agent: 'local', 'field-event': 'other' })
})

test('a line that was written just before the end of the process is not lost', async () => {
  const log = join(import.meta.dirname, '../../logging/log.ts')
  const program = `
    const { openLog } = await import(${JSON.stringify(log)})
    const log = openLog({ level: 'info', always: {} })
    for (let line = 0; line < 2000; line += 1) log.info('line', { line, filler: 'x'.repeat(200) })
    process.exit(3)`
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { maxBuffer: 2 ** 24 })
  await expect(run).rejects.toMatchObject({ code: 3 })
  const { stdout } = await run.catch((error: unknown) => error as { stdout: string })
  expect(stdout.trimEnd().split('\n')).toHaveLength(2000)
})
