import { expect, test } from '@jest/globals'
import type { Problem } from '@regent/contract/problem.ts'
import { type Read, type Running, runProgram } from '../../lifecycle/run-program.ts'
import type { LogOptions } from '../../logging/log.ts'
import { RecordedHost } from '../support/recorded-host.ts'
import { recordedLog } from '../support/recorded-log.ts'

const configuration = { logLevel: 'warn', drain: 3 } as const
type Configuration = typeof configuration

function running(
  read: Read<Configuration> = { configuration },
  start: (running: Running<Configuration>) => Promise<void> = () => Promise.resolve(),
) {
  const host = new RecordedHost()
  const log = recordedLog()
  const opened: LogOptions[] = []
  const ran = runProgram({
    host,
    environment: { POD_NAME: 'pod-0' },
    read: () => read,
    always: { pod: 'pod-0' },
    openLog: (options) => {
      opened.push(options)
      return log.log
    },
    stopBudgetSeconds: ({ drain }) => drain,
    start,
  })
  return { host, log, opened, ran }
}

const problem = (path: string): Problem => ({
  path,
  received: 'nothing',
  expected: 'a name',
  fix: `set ${path}`,
  severity: 'error',
})

test('it is started with its configuration, and logs at the level of it', async () => {
  const started: unknown[] = []
  const { host, opened, ran } = running({ configuration }, ({ configuration: given }) => {
    started.push(given)
    return Promise.resolve()
  })
  await ran
  expect([started, host.exits]).toEqual([[configuration], []])
  expect(opened).toEqual([{ level: 'warn', always: { pod: 'pod-0' } }])
})

test('a wrong configuration is said line by line and as one event, and ends with 2 before anything starts', async () => {
  let starts = 0
  const { host, log, opened, ran } = running({ problems: [problem('AGENT_ID'), problem('REGION')] }, () => {
    starts += 1
    return Promise.resolve()
  })
  await ran
  expect([starts, host.exits]).toEqual([0, [2]])
  expect(host.complaints.trimEnd().split('\n')).toEqual([
    expect.stringContaining('AGENT_ID'),
    expect.stringContaining('REGION'),
  ])
  expect(log.lines()).toEqual([
    expect.objectContaining({ event: 'configuration-invalid', variables: 'AGENT_ID, REGION' }),
  ])
  expect(opened).toEqual([{ level: 'error', always: { pod: 'pod-0' } }])
})

test('a start that fails ends with 1, and says why', async () => {
  const { host, log, ran } = running({ configuration }, () => Promise.reject(new Error('the port is taken')))
  await ran
  expect(host.exits).toEqual([1])
  expect(log.lines()).toMatchObject([{ event: 'start-failed', error: 'Error: the port is taken' }])
})

test('an error that nobody catches ends with 1, whatever was thrown', async () => {
  const { host, log, ran } = running()
  await ran
  host.uncaught('torn')
  expect(host.exits).toEqual([1])
  expect(log.lines()).toMatchObject([{ event: 'uncaught', error: 'Error: torn' }])
})

test('it is told that it stops while it is starting', async () => {
  const begun = Promise.withResolvers<undefined>()
  let wasStopping: boolean | undefined
  const { host, ran } = running({ configuration }, async ({ stop }) => {
    await begun.promise
    wasStopping = stop.isStopping
  })
  host.signal('SIGTERM')
  begun.resolve(undefined)
  await ran
  expect([wasStopping, await host.ended.promise]).toEqual([true, 0])
})
