import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { AgentResource, CommandResource } from '@regent/contract/api.ts'
import { ServedApi } from '../../control-plane/test/http/served-api.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { project, run, Session } from './program.ts'

describe('regent, of a control plane', () => {
  const session = new Session()
  const folder = mkdtempSync(join(tmpdir(), 'regent-cli-'))
  const tokenFile = join(folder, 'token')
  let api: ServedApi
  beforeAll(async () => {
    api = await ServedApi.start()
    writeFileSync(tokenFile, `${api.tokens.admin}\n`)
  })
  afterAll(async () => {
    session.end()
    rmSync(folder, { recursive: true })
    await api.close()
  })
  const regent = (...args: readonly string[]) => session.regent(...args, '--url', api.url, '--token-file', tokenFile)
  const json = async <T>(...args: readonly string[]): Promise<T> => {
    const { code, stdout, stderr } = await regent(...args, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as T
  }

  async function firstCommandOf(agentId: string): Promise<string | undefined> {
    const { body }: { body: { items?: readonly CommandResource[] } } = await api.ask(
      'GET',
      `/api/v1/agents/${agentId}/commands`,
    )
    return body.items?.[0]?.commandId
  }

  test('agents are added, approved, shown, rejected and deleted', async () => {
    expect(await json<AgentResource>('agents', 'add', 'one')).toMatchObject({ agentId: 'one', approval: 'pending' })
    expect(await json<AgentResource>('agents', 'approve', 'one')).toMatchObject({ approval: 'approved' })
    const shown = await regent('agents', 'show', 'one')
    expect(shown.stdout).toMatch(/^agent {7}one\napproval {4}approved\nhealth {6}offline since .*\nregistered {2}.*\n$/)
    expect(await json<AgentResource>('agents', 'reject', 'one')).toMatchObject({ approval: 'rejected' })
    expect(await json<AgentResource>('agents', 'reset-fence', 'one')).toMatchObject({ agentId: 'one' })
    const careless = await regent('agents', 'delete', 'one')
    expect(careless).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as unknown })
    expect((await regent('agents', 'delete', 'one', '--yes')).stdout).toBe('one: removed\n')
    const gone = await regent('agents', 'show', 'one')
    expect(gone).toMatchObject({ code: 1, stdout: '' })
    expect(gone.stderr).toBe("error: There is no such resource (404): there is no agent 'one'\n")
  })

  test('agents are listed, all pages of them, as a table and by filter', async () => {
    for (let made = 0; made < 120; made += 1)
      await api.agents.create(`many-${made}`, { approved: made > 0, by: 'test' })
    expect(await json<readonly AgentResource[]>('agents', 'list')).toHaveLength(120)
    expect((await regent('agents', 'list', '--approval', 'pending')).stdout).toMatch(
      /^AGENT {3}APPROVAL {2}HEALTH .*\nmany-0 {2}pending {3}offline .*\n$/,
    )
    const wrong = await regent('agents', 'list', '--health', 'fine')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toMatch(
      /^error: The request is not as the API describes it \(400\).*\n {2}query\.health: .*\n$/,
    )
  })

  test('commands are given, listed, shown and given up', async () => {
    await api.agents.create('busy', { approved: true, by: 'test' })
    const given = ['commands', 'run', 'busy', 'describe', '--payload', '{"a":1}', '--idempotency-key', 'k']
    const made = await json<CommandResource>(...given)
    expect(made).toMatchObject({ action: 'describe', payload: { a: 1 }, state: 'queued' })
    expect((await json<CommandResource>(...given)).commandId).toBe(made.commandId)
    expect(await json<readonly CommandResource[]>('commands', 'list', 'busy')).toHaveLength(1)
    expect(await json<readonly CommandResource[]>('commands', 'list', 'busy', '--state', 'done')).toHaveLength(0)
    expect((await regent('commands', 'cancel', 'busy', made.commandId)).stdout).toMatch(/^error {7}cancelled: /m)
    expect((await regent('commands', 'show', 'busy', made.commandId)).stdout).toMatch(/^state {7}failed$/m)
  })

  test('a command that is waited for ends with what became of it', async () => {
    await api.agents.create('waited', { approved: true, by: 'test' })
    const waited = json<CommandResource>('commands', 'run', 'waited', 'describe', '--wait').catch((e: unknown) => e)
    // Not more often than one caller may ask.
    const id = await waitFor('the command', () => firstCommandOf('waited'), { everyMilliseconds: 25 })
    await api.ask('POST', `/api/v1/agents/waited/commands/${id}/cancel`)
    expect(String(await waited)).toContain('"code": 1')
  })

  test('what is wrong with the words is said before anything is asked', async () => {
    expect(await regent('commands', 'run', 'busy', 'describe', '--payload', '{')).toMatchObject({ code: 2 })
    const clear = await session.regent('agents', 'list', '--url', 'http://example.com', '--token-file', tokenFile)
    expect(clear).toMatchObject({ code: 2 })
    expect(clear.stderr).toContain('in the clear')
    expect((await session.regent('agents', 'list')).stderr).toContain('REGENT_URL')
    const none = await session.regent('agents', 'list', '--url', api.url)
    expect(none).toMatchObject({ code: 1 })
    expect(none.stderr).toContain('kubectl create token regent-admin')
  })

  test('a control plane that is away, and a token that is none, are said in a line', async () => {
    const away = await session.regent('agents', 'list', '--url', 'http://127.0.0.1:1', '--token-file', tokenFile)
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining('does not answer: ') as unknown })
    const wrong = join(folder, 'wrong')
    writeFileSync(wrong, 'topsecret')
    const refused = await session.regent('agents', 'list', '--url', api.url, '--token-file', wrong)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('(401)') as unknown })
    expect(refused.stderr).not.toContain('topsecret')
  })

  test('URL and token may be in the environment', async () => {
    const { code, stderr } = await run([process.execPath, join(project, 'cli/regent.ts'), 'agents', 'list'], {
      env: { REGENT_URL: api.url, REGENT_TOKEN: api.tokens.viewer },
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('what happens to those that are listed is followed, a line for each', async () => {
    const args = ['agents', 'list', '--watch', '--approval', 'rejected', '--url', api.url, '--token-file', tokenFile]
    const child = spawn(process.execPath, [join(project, 'cli/regent.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const lines: string[] = []
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line)
        if (lines.length === 1) {
          while (api.events.count === 0) await new Promise((resolve) => setTimeout(resolve, 10))
          for (const id of ['passed-over', 'followed']) await api.agents.create(id, { approved: true, by: 'test' })
          await api.ask('POST', '/api/v1/agents/followed/reject')
          await api.ask('POST', '/api/v1/agents/followed/approve')
        }
        if (lines.length === 3) break
      }
      expect(lines.slice(1)).toEqual(['followed: rejected', 'followed: approved, no longer in this list'])
    } finally {
      child.kill('SIGKILL')
    }
  })
})
