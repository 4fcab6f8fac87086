import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { run } from '../../../test/cluster/command-line.ts'
import { tool } from '../../../test/cluster/tools.ts'
import { eventsOperation } from '../../src/http/events-operation.ts'
import { scratchFolder, ServedApi } from './served-api.ts'

/**
 * An implementation of the OpenAPI document that is not ours makes requests of it, good ones and bad ones, and compares
 * every answer with what the document promises.
 */
describe('the OpenAPI document', () => {
  const { folder, remove } = scratchFolder()
  let api: ServedApi
  let program = ''
  beforeAll(async () => {
    program = await tool('schemathesis')
    const rate = { perSecond: 10_000, burst: 10_000 }
    api = await ServedApi.start({ gate: { callerRate: rate, strangerRate: rate }, commands: { mostOpen: 100_000 } })
    await api.ask('POST', '/api/v1/agents', { body: { agentId: 'local', approved: true } })
    // What is right in itself may be wrong after what came before: a key that made another command.
    const expected = ['2xx', '401', '403', '404', '409', '422', '429'].map((status) => `"${status}"`).join(', ')
    const settings = `[checks.positive_data_acceptance]\nexpected-statuses = [${expected}]\n`
    writeFileSync(join(folder, 'schemathesis.toml'), settings)
  }, 900_000)
  afterAll(async () => {
    await api.close()
    await remove()
  })

  test('is what the API does, as far as a tester finds out in a minute', async () => {
    const command = [
      program,
      'run',
      `${api.url}/openapi.json`,
      `--header=Authorization: Bearer ${api.tokens.admin}`,
      // A stream does not end.
      `--exclude-operation-id=${eventsOperation.id}`,
      '--phases=examples,coverage,fuzzing',
      '--max-examples=15',
      '--generation-deterministic',
      '--request-timeout=10',
      '--no-color',
    ]
    const { stdout, exitCode } = await run(command, { seconds: 240, cwd: folder, env: process.env })
    expect({ exitCode, stdout: exitCode === 0 ? '' : stdout }).toEqual({ exitCode: 0, stdout: '' })
    // It did not give up before it had tried.
    expect(Number(/(\d+) generated/.exec(stdout)?.[1])).toBeGreaterThan(300)
    // Nor did it find a way to an error that is ours.
    expect(api.recorded.events()).not.toContain('request-failed')
  }, 300_000)
})
