import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, expect, test } from '@jest/globals'
import { podEnvironment } from './support/pod-environment.ts'
import { type Program, startProgram } from './support/program.ts'

// The program as the kubelet starts it: a process of its own, with real signals, a real port and a real end.

const pod = podEnvironment()
afterAll(pod.remove)

const programs: Program[] = []
afterEach(() => {
  for (const { child } of programs.splice(0)) child.kill('SIGKILL')
})

function program(changes: Readonly<Record<string, string | undefined>> = {}): Program {
  const started = startProgram(pod, changes)
  programs.push(started)
  return started
}

/** Runs this in the process, when it is sent SIGUSR2. */
const onSignal = (statement: string): { NODE_OPTIONS: string } => ({
  NODE_OPTIONS: `--import="data:text/javascript,process.on('SIGUSR2',()=>{${statement}})"`,
})

test.each(['SIGTERM', 'SIGINT'] as const)('it leads alone, serves, and ends with 0 at %s', async (signal) => {
  const { child, said, ended, get, lines } = program()
  expect(await said('leading')).toMatchObject({ lineage: 'sole-replica', reason: 'first' })
  expect((await get('/readyz?verbose')).status).toBe(200)
  const metrics = await (await get('/metrics')).text()
  expect(metrics).toContain('regent_agent_is_leader{agent="local"} 1')
  expect(metrics).toContain('regent_agent_lease_remaining_seconds{agent="local"} +Inf')
  child.kill(signal)
  expect(await ended).toEqual({ code: 0, complaints: '' })
  expect(lines.map(({ event }) => event).slice(-5)).toEqual([
    'stopping',
    'role-changed',
    'leadership-ended',
    'role-changed',
    'stopped',
  ])
})

test('it writes nothing but JSON lines to standard output, and nothing to standard error', async () => {
  const { child, said, ended, lines } = program({ LOG_LEVEL: 'debug' })
  await said('leading')
  child.kill('SIGTERM')
  expect((await ended).complaints).toBe('')
  for (const line of lines) {
    expect(line).toMatchObject({
      level: expect.stringMatching(/^(debug|info)$/) as unknown,
      time: expect.any(String) as unknown,
      agent: 'local',
      pod: 'regent-agent-local-0',
      event: expect.stringMatching(/^[a-z]+(-[a-z]+)*$/) as unknown,
    })
  }
})

test('a wrong configuration ends it with 2 and a line for each problem', async () => {
  const { ended, lines } = program({ REPLICAS: '2', KUBERNETES_TOKEN_FILE: '/nowhere/token' })
  const { code, complaints } = await ended
  expect(code).toBe(2)
  expect(complaints.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^REPLICAS: expected 1 while ENABLE_HA is false, got 2; /),
    expect.stringMatching(/^KUBERNETES_TOKEN_FILE: expected a file .*, got "\/nowhere\/token", which does not exist; /),
  ])
  expect(lines).toEqual([expect.objectContaining({ event: 'configuration-invalid' })])
})

test('a second process of the pod ends with 3; once the first was killed, another starts', async () => {
  const uid = randomUUID()
  const first = program({ POD_UID: uid })
  await first.said('leading')
  const second = program({ POD_UID: uid })
  expect((await second.ended).code).toBe(3)
  first.child.kill('SIGKILL')
  await first.ended
  await program({ POD_UID: uid }).said('leading')
})

test.each([
  ['is thrown', "throw new Error('boom')"],
  ['is a rejection', "Promise.reject(new Error('boom'))"],
])('an error that nobody caught, which %s, is the last line, and the code is 1', async (_, statement) => {
  const { child, said, ended, lines } = program(onSignal(statement))
  await said('leading')
  child.kill('SIGUSR2')
  expect(await ended).toEqual({ code: 1, complaints: '' })
  expect(lines.at(-1)).toMatchObject({ level: 'error', event: 'uncaught', error: 'Error: boom' })
})

test('a reader of the log that is gone does not end it', async () => {
  const { child, said, get, ended } = program({ ...onSignal('0'), LOG_LEVEL: 'debug' })
  await said('leading')
  child.stdout.destroy()
  expect((await get('/livez')).status).toBe(200)
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})
