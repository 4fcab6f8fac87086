import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { AgentKey, TokenResource } from '@regent/contract/api.ts'
import { isOfState, keys, prefixes } from '../../control-plane/src/store/keys.ts'
import { AgentKeys } from '../../control-plane/src/identity/agent-keys.ts'
import { PeopleTokens } from '../../control-plane/src/identity/people-tokens.ts'
import type { Caller } from '../../control-plane/src/identity/caller.ts'
import { ServedApi } from '../../control-plane/test/http/served-api.ts'
import { linesOf, withEntries } from '../../control-plane/test/state/exported.ts'
import { Session } from './program.ts'

const administrator: Caller = {
  name: 'the first administrator',
  role: 'admin',
  by: 'kubernetes',
  id: 'kubernetes:first',
  expiresAt: new Date(Date.now() + 3600_000),
}

describe('regent, of secrets and of the state', () => {
  const session = new Session()
  const folder = mkdtempSync(join(tmpdir(), 'regent-cli-'))
  const path = (name: string): string => join(folder, name)
  let api: ServedApi
  let empty: ServedApi
  const servers: Server[] = []
  beforeAll(async () => {
    api = await ServedApi.start()
    empty = await ServedApi.start({ gate: { people: { identify: () => Promise.resolve(administrator) } } })
    writeFileSync(path('admin'), api.tokens.admin)
    await api.ask('POST', '/api/v1/agents', { body: { agentId: 'one', approved: true } })
    for (let made = 0; made < 15; made += 1) {
      const body = { action: 'describe', payload: 'x'.repeat(100_000 + made) }
      await api.ask('POST', '/api/v1/agents/one/commands', { body })
    }
  })
  beforeEach(() => empty.store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] }))
  afterEach(() => servers.splice(0).forEach((server) => server.close()))
  afterAll(async () => {
    session.end()
    rmSync(folder, { recursive: true })
    await api.close()
    await empty.close()
  })
  const of =
    (url: string) =>
    (...args: readonly string[]) =>
      session.regent(...args, '--url', url, '--token-file', path('admin'))
  const regent = (...args: readonly string[]) => of(api.url)(...args)
  const imported = (...args: readonly string[]) => of(empty.url)('state', 'import', ...args)
  const json = async <T>(...args: readonly string[]): Promise<T> => {
    const { code, stdout, stderr } = await regent(...args, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as T
  }
  const mode = (name: string): number => statSync(path(name)).mode & 0o777
  const stored = async (): Promise<readonly string[]> =>
    (await empty.store.snapshot(prefixes.everything)).items.map(({ key }) => key).filter(isOfState)
  const serve = async (answer: (asked: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
    const server = createServer(answer).listen(0, '127.0.0.1')
    servers.push(server)
    await new Promise((resolve) => server.once('listening', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test('tokens are made, shown once, listed and revoked', async () => {
    const made = await regent('tokens', 'create', 'the pipeline', '--role', 'operator', '--expires-in-seconds', '600')
    expect(made.code).toBe(0)
    expect(made.stdout).toMatch(/^rgt_[a-z0-9]+_[a-z2-7]{52}\n$/)
    expect(made.stderr).toMatch(/^token \w+ with the role operator, until .*; it is not shown again\n$/)
    const token = made.stdout.trim()
    expect(await new PeopleTokens(api.store).check(token)).toMatchObject({ name: 'the pipeline', role: 'operator' })
    const listed = await json<readonly TokenResource[]>('tokens', 'list')
    const tokenId = listed.find(({ name }) => name === 'the pipeline')?.tokenId ?? ''
    expect((await regent('tokens', 'list')).stdout).toMatch(/^TOKEN +NAME +ROLE +EXPIRES/)
    expect((await regent('tokens', 'revoke', tokenId)).stdout).toBe(`token ${tokenId}: revoked\n`)
    await expect(new PeopleTokens(api.store).check(token)).rejects.toMatchObject({ reason: 'unknown' })
    expect(await regent('tokens', 'revoke', tokenId)).toMatchObject({ code: 1, stdout: '' })
  })

  test('a secret goes into a new file that one may read, and into no other place', async () => {
    const create = ['tokens', 'create', 'in a file', '--role', 'viewer', '--output', path('token')]
    const { code, stdout, stderr } = await regent(...create, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const text = readFileSync(path('token'), 'utf8')
    expect(await new PeopleTokens(api.store).check(text.trim())).toMatchObject({ name: 'in a file' })
    expect(mode('token')).toBe(0o600)
    expect(stdout).not.toContain(text.trim())
    const count = (await json<readonly TokenResource[]>('tokens', 'list')).length
    const again = await regent(...create)
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/token cannot be made: it is there already; name another one\n$/)
    expect(readFileSync(path('token'), 'utf8')).toBe(text)
    expect(await json<readonly TokenResource[]>('tokens', 'list')).toHaveLength(count)
    const refused = await regent('tokens', 'create', 'x', '--role', 'king', '--output', path('none'))
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('body.role') as unknown })
    expect(readdirSync(folder)).not.toContain('none')
  })

  test('keys of an agent are made, listed, rotated and revoked', async () => {
    const first = await json<AgentKey & { key: string }>(
      'agents',
      'keys',
      'create',
      'one',
      '--expires-in-seconds',
      '600',
    )
    expect(await new AgentKeys(api.store).check(first.key)).toMatchObject({ agentId: 'one' })
    const second = (await regent('agents', 'keys', 'rotate', 'one', '--overlap-seconds', '0')).stdout.trim()
    await expect(new AgentKeys(api.store).check(first.key)).rejects.toMatchObject({ reason: 'unknown' })
    const [{ keyId } = { keyId: '' }] = await json<readonly AgentKey[]>('agents', 'keys', 'list', 'one')
    expect((await regent('agents', 'keys', 'list', 'one')).stdout).toMatch(/^KEY +CREATED +BY +EXPIRES\n\w+ .* -\n$/)
    expect((await regent('agents', 'keys', 'revoke', 'one', keyId)).stdout).toBe(`key ${keyId} of one: revoked\n`)
    await expect(new AgentKeys(api.store).check(second)).rejects.toMatchObject({ reason: 'unknown' })
    expect((await regent('agents', 'keys', 'list', 'nobody')).stderr).toContain("there is no agent 'nobody'")
    expect(await regent('agents', 'keys', 'create', 'one', '--expires-in-seconds', '1h')).toMatchObject({ code: 2 })
  })

  test('a caller learns who it is', async () => {
    expect((await regent('whoami')).stdout).toBe('token:the admin: admin, by token\n')
    expect(await json('whoami')).toEqual({ name: 'token:the admin', role: 'admin', by: 'token' })
  })

  test('a state moves from one control plane to another, and is the same', async () => {
    const file = path('state')
    const exported = await regent('state', 'export', '--output', file)
    expect(exported).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/state: \d+ entries\n$/) as unknown })
    expect(mode('state')).toBe(0o600)
    const { stdout } = await regent('state', 'export')
    const { entries } = linesOf(readFileSync(file, 'utf8'))
    expect(linesOf(stdout).entries).toEqual(entries)

    expect(await imported(file)).toEqual({
      code: 0,
      stderr: '',
      stdout: `${file}: ${entries.length} entries imported\n`,
    })
    expect(linesOf((await of(empty.url)('state', 'export')).stdout).entries).toEqual(entries)
    const twice = await imported(file)
    expect(twice).toMatchObject({ code: 1, stdout: '' })
    expect(twice.stderr).toMatch(
      /^error: The state of the resource does not allow this \(409\): the store holds 1 agent/,
    )
  })

  test('a file that is there is not replaced, unless that is asked for', async () => {
    writeFileSync(path('there'), 'precious')
    chmodSync(path('there'), 0o644)
    const refused = await regent('state', 'export', '--output', path('there'))
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('--force')
    expect(readFileSync(path('there'), 'utf8')).toBe('precious')
    expect(await regent('state', 'export', '--output', path('there'), '--force')).toMatchObject({ code: 0, stderr: '' })
    expect(linesOf(readFileSync(path('there'), 'utf8')).entries.length).toBeGreaterThan(10)
    expect(mode('there')).toBe(0o600)
  })

  test.each([
    ['says why', `${JSON.stringify({ kind: 'aborted', detail: 'etcd was away' })}\n`, 'not finished: etcd was away'],
    ['only breaks off', '{"kind":"agent","agentId":"a"', 'does not answer'],
  ])('an export that %s leaves no file', async (_, end, message) => {
    const { header, entries } = linesOf((await regent('state', 'export')).stdout)
    const url = await serve((asked, response) => {
      response.write(`${[header, ...entries.slice(0, 3)].join('\n')}\n${end}`, () => response.destroy())
      asked.resume()
    })
    const failed = await of(url)('state', 'export', '--output', path('cut'))
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain(message)
    expect(readdirSync(folder).filter((name) => name.startsWith('cut'))).toEqual([])
  })

  const whole = async () => linesOf((await regent('state', 'export')).stdout)
  const file = (name: string, { header, entries, trailer }: ReturnType<typeof linesOf>): string => {
    writeFileSync(path(name), [header, ...entries, trailer, ''].join('\n'))
    return path(name)
  }

  test('a file that is not whole, or of a newer format, is refused before anything is asked', async () => {
    const state = await whole()
    const { header, entries, trailer } = state
    const text = readFileSync(file('whole', state), 'utf8')
    writeFileSync(path('half'), text.slice(0, text.length / 2))
    const newer = header.replace('"format":1', '"format":2')
    const changed = entries.map((line) => line.replace('"approved"', '"rejected"'))
    const asked = empty.audit().length
    for (const [name, message] of [
      [path('half'), /not whole: the last line is no trailer: the file was cut off/],
      [file('missing', { header, entries: entries.slice(1), trailer }), /is of \d+ entries, and \d+ are there\n/],
      [file('changed', { header, entries: changed, trailer }), /some of which were changed/],
      [file('newer', { header: newer, entries, trailer }), /line 1: expected format 1, got 2.*update/],
      [path('admin'), /line 1: expected the header of an exported state/],
      [path('nowhere'), /nowhere cannot be read: /],
    ] as const) {
      const { code, stdout, stderr } = await imported(name)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(message)
    }
    expect(empty.audit()).toHaveLength(asked)
  })

  test('lines that are wrong are all named, and nothing is imported', async () => {
    const state = await whole()
    const entries = state.entries.map((line, index) =>
      index === 3 ? line.replace('"schema":1', '"schema":9') : index === 12 ? '{}' : line,
    )
    const { code, stdout, stderr } = await imported(file('wrong', withEntries(state, entries)))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/wrong: 2 lines are wrong, and nothing was imported$/),
      expect.stringMatching(/^ {2}line 5: .*expected schema 1, got 9/),
      expect.stringMatching(/^ {2}line 14: no entry of a state/),
      '',
    ])
    expect(await stored()).toEqual([])
    expect((await empty.store.get(keys.importLock)).found).toBeUndefined()
  })

  test('answers that are lost on the way change nothing', async () => {
    const state = await whole()
    let count = 0
    const url = await serve((asked, response) => {
      // Every second answer to a part, and to the end, gets lost after it was done.
      const isLost = /parts|complete/.test(asked.url ?? '') && (count += 1) % 2 === 1
      const passed = request(
        `${empty.url}${asked.url ?? ''}`,
        { method: asked.method, headers: asked.headers },
        (answer) => {
          response.writeHead(isLost ? 502 : (answer.statusCode ?? 0), answer.headers)
          if (!isLost) {
            answer.pipe(response)
            return
          }
          answer.resume()
          answer.once('end', () => response.destroy())
        },
      )
      asked.pipe(passed)
    })
    expect(await of(url)('state', 'import', file('lossy', state))).toMatchObject({ code: 0, stderr: '' })
    expect(count).toBeGreaterThanOrEqual(6)
    expect(linesOf((await of(empty.url)('state', 'export')).stdout).entries).toEqual(state.entries)
  })

  test('commands that had not ended are given up where that is asked for', async () => {
    const state = await whole()
    expect(await imported(file('dropped', state), '--drop-open-commands')).toMatchObject({ code: 0 })
    expect((await empty.store.count(prefixes.allOpenCommands)).count).toBe(0)
    expect((await empty.store.count(prefixes.allDoneCommands)).count).toBe(15)
  })
})
