import { afterAll, describe, expect, test } from '@jest/globals'
import { ProjectCopy, Session } from './program.ts'

describe('validate', () => {
  const copy = new ProjectCopy()
  afterAll(() => copy.remove())

  test('says how many environments are valid, and warns without failing', async () => {
    copy.edit('environments/dev.ts', "maxMemory: '8Gi'", "maxMemory: '8000M'")
    expect(await copy.regent('validate', 'dev', 'local')).toEqual({
      code: 0,
      stdout: '2 environments: valid\n',
      stderr:
        'warning: dev.agent.sessions.maxMemory: expected a binary unit such as "8000Mi" (8388608000 bytes), got "8000M" (8000000000 bytes); write "8000Mi" unless the decimal unit is meant (environments/dev.ts)\n',
    })
  })

  test('reports every problem of every environment at once, sorted, as text and as JSON', async () => {
    copy.edit('environments/local.ts', 'enabled: true', 'enabled: false')
    copy.edit('environments/dev.ts', "logLevel: 'debug'", "logLevel: 'loud'")
    copy.edit('environments/dev.ts', 'members: 1 ', 'members: 2 ')
    const session = new Session(copy.folder)
    const [text, json] = [await session.regent('validate'), await session.regent('validate', '--json')]
    session.end()
    expect(text).toMatchObject({ code: 1, stdout: '' })
    expect(json).toMatchObject({ code: 1, stderr: '' })
    const problems = JSON.parse(json.stdout) as { path: string; severity: string; source: string }[]
    expect(problems.map(({ path, severity, source }) => `${severity}: ${path} (${source})`)).toEqual([
      'error: dev.agent.logLevel (environments/dev.ts)',
      'warning: dev.agent.sessions.maxMemory (environments/dev.ts)',
      'error: dev.consensus.members (environments/dev.ts)',
      'error: local.agent.replicas (environments/local.ts)',
    ])
    const lines = text.stderr.trimEnd().split('\n')
    expect(lines.map((line) => line.split(' ')[1])).toEqual(problems.map(({ path }) => `${path}:`))
    expect(lines.at(-1)).toBe(
      'error: local.agent.replicas: expected 1 while leaderElection.enabled is false, got 3; set leaderElection.enabled to true: replicas without election evict each other from the control plane every 2 s (environments/local.ts)',
    )
  })
})
