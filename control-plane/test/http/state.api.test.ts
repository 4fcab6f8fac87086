import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type AgentKey,
  type CommandResource,
  type ImportedPart,
  longestStateLine,
  type ProblemDetails,
} from '@regent/contract/api.ts'
import { stateAborted, stateHeader, stateTrailer } from '@regent/contract/state-file.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { fenceRecord, statusRecord } from '../../src/agents/agent-records.ts'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { Registrations } from '../../src/hub/registrations.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import type { Caller } from '../../src/identity/caller.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'
import { idOf, isOfState, keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { linesOf, withEntries } from '../state/exported.ts'
import { registration } from '../support/recorded-agent.ts'
import { ServedApi } from './served-api.ts'

const since = '2026-05-04T03:02:01.000Z'
const lineage = '7f1c0f3e-2a52-4f0e-9a55-6f3f8d1f0001'
const fence = { lineage, epoch: '42', holder: 'pod-1_uid-1_boot-1', connectionId: 'c', pod: 'p', since }
const administrator: Caller = {
  name: 'the first administrator',
  role: 'admin',
  by: 'kubernetes',
  id: 'kubernetes:first',
  expiresAt: new Date(Date.now() + 3600_000),
}

const stateIn = async (store: Store): Promise<readonly string[]> =>
  (await store.snapshot(prefixes.everything)).items.map(({ key }) => key).filter(isOfState)
const clear = (store: Store) =>
  store.transact({
    when: [{ key: keys.importLock, exists: true }],
    then: [{ delete: prefixes.everything, prefix: true }],
    otherwise: [],
  })

describe('the state', () => {
  let source: ServedApi
  let target: ServedApi
  let secret: { readonly key: string; readonly token: string }
  let text = ''

  beforeAll(async () => {
    const people = { identify: () => Promise.resolve(administrator) }
    const rate = { perSecond: 10_000, burst: 10_000 }
    source = await ServedApi.start({ exports: { stallSeconds: 1, mostExports: 1 }, commands: { mostOpen: 100 } })
    target = await ServedApi.start({ gate: { people, callerRate: rate }, imports: { aliveSeconds: 10 } })
    secret = await fill(source)
    text = (await source.ask('GET', '/api/v1/state/export')).text
  })
  afterAll(async () => {
    await source.close()
    await target.close()
  })
  beforeEach(async () => {
    await clear(target.store)
    await target.store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
  })

  let imports = 0
  const begin = async (header: string, dropOpenCommands = false) => {
    const importId = `import-${String((imports += 1)).padStart(4, '0')}`
    const answer = await target.ask('POST', '/api/v1/state/imports', { body: { importId, header, dropOpenCommands } })
    return { importId, answer }
  }
  const take = (importId: string, part: number, lines: readonly string[]) =>
    target.ask('POST', `/api/v1/state/imports/${importId}/parts`, { body: { part, lines } })
  const complete = (importId: string, trailer: string) =>
    target.ask('POST', `/api/v1/state/imports/${importId}/complete`, { body: { trailer } })
  const abort = (importId: string) => target.ask('DELETE', `/api/v1/state/imports/${importId}`)
  /** Everything, in parts of three lines. */
  const importAll = async ({ header, entries, trailer }: ReturnType<typeof linesOf>, dropOpenCommands = false) => {
    const { importId, answer } = await begin(header, dropOpenCommands)
    expect(answer.status).toBe(201)
    const problems: ImportedPart['problems'] = []
    for (let from = 0; from < entries.length; from += 3) {
      const taken = await take(importId, from / 3, entries.slice(from, from + 3))
      expect({ status: taken.status, text: taken.text }).toMatchObject({ status: 200 })
      problems.push(...(taken.body as ImportedPart).problems)
    }
    return { importId, problems, answer: await complete(importId, trailer) }
  }

  describe('is exported', () => {
    test('whole, with what it is and how much, and the log says who has it', () => {
      const { header, entries, trailer } = linesOf(text)
      expect(stateHeader.parse(JSON.parse(header))).toMatchObject({
        format: 1,
        expected: { agents: 3, keys: 1, openCommands: 3, doneCommands: 1, tokens: 4, idempotency: 1 },
      })
      expect(stateTrailer.parse(JSON.parse(trailer))).toMatchObject({ entries: entries.length, leftOut: 0 })
      expect(withEntries(linesOf(text), entries).trailer).toBe(trailer)
      const kinds = entries.map((line) => (JSON.parse(line) as { kind: string }).kind)
      expect(kinds).toEqual([
        ...['agent', 'agent', 'key', 'open-command', 'open-command', 'open-command', 'done-command', 'agent'],
        ...['token', 'token', 'token', 'token', 'idempotency'],
      ])
      expect(source.audit()).toContainEqual(
        expect.objectContaining({ route: '/state/export', caller: 'token:the admin', outcome: 'done', status: 200 }),
      )
    })

    test('without any secret', () => {
      expect(text).not.toContain(secret.key.split('_').at(-1))
      expect(text).not.toContain(secret.token.split('_').at(-1))
    })

    test('to administrators alone', async () => {
      for (const token of [source.tokens.viewer, source.tokens.operator]) {
        expect((await source.ask('GET', '/api/v1/state/export', { token })).status).toBe(403)
        const body = { importId: 'import-by-nobody', header: '{}' }
        expect((await source.ask('POST', '/api/v1/state/imports', { token, body })).status).toBe(403)
      }
      expect((await source.ask('HEAD', '/api/v1/state/export')).status).toBe(405)
    })

    test('but for what cannot be read, which is counted and named', async () => {
      const damaged = '{"schema":2,"approval":"approved"}'
      await source.store.transact({ when: [], then: [{ put: keys.agent('damaged'), value: damaged }] })
      const { entries, trailer } = linesOf((await source.ask('GET', '/api/v1/state/export')).text)
      await source.store.transact({ when: [], then: [{ delete: keys.agent('damaged') }] })
      expect(stateTrailer.parse(JSON.parse(trailer))).toMatchObject({ leftOut: 1 })
      expect(entries).toEqual(linesOf(text).entries)
      expect(source.recorded.lines()).toContainEqual(
        expect.objectContaining({ event: 'state-record-left-out', key: keys.agent('damaged') }),
      )
    })

    describe('where it is large', () => {
      let large: ServedApi
      const payload = 'x'.repeat(240_000)
      /** More than what the kernel keeps between two who are connected. */
      const mostCommands = 200
      beforeAll(async () => {
        large = await ServedApi.start({ exports: { stallSeconds: 5, mostExports: 1 }, commands: { mostOpen: 100 } })
        await large.ask('POST', '/api/v1/agents', { body: { agentId: 'large', approved: true } })
        const command = { agentId: 'large', action: 'describe', target: 't', state: 'queued', deliveries: 0 } as const
        const made = { createdAt: since, createdBy: 'me', deadlineAt: since, payloadBytes: payload.length + 2 }
        for (let number = 0; number < mostCommands; number += 1) {
          const commandId = `c-${number}`
          const value = openCommandRecord.serialize({ ...command, ...made, commandId })
          const then = [
            { put: keys.openCommand('large', commandId), value },
            { put: keys.commandPayload('large', commandId), value: JSON.stringify({ schema: 1, payload }) },
          ]
          await large.store.transact({ when: [], then })
        }
      })
      afterAll(() => large.close())

      /** Begins to read, and has read the first bytes. */
      const reading = async (): Promise<{ readonly answer: IncomingMessage; readonly first: string }> => {
        const headers = { authorization: `Bearer ${large.tokens.admin}` }
        const asked = get(`${large.url}/api/v1/state/export`, { headers })
        const [answer] = (await once(asked, 'response')) as [IncomingMessage]
        answer.on('error', () => undefined)
        const first = await new Promise<Buffer>((resolve) =>
          answer.once('data', (chunk: Buffer) => {
            answer.pause()
            resolve(chunk)
          }),
        )
        return { answer, first: first.toString() }
      }
      const rest = async (answer: IncomingMessage): Promise<string> => {
        let read = ''
        answer.on('data', (chunk: Buffer) => (read += chunk.toString()))
        answer.resume()
        if (!answer.closed) await new Promise<void>((resolve) => answer.once('close', () => resolve()))
        return read
      }

      test('as it was at the beginning, whatever changes meanwhile', async () => {
        const { answer, first } = await reading()
        await large.ask('POST', '/api/v1/agents', { body: { agentId: 'late', approved: true } })
        await large.ask('POST', '/api/v1/agents/large/commands', { body: { action: 'describe' } })
        const { entries } = linesOf(first + (await rest(answer)))
        expect(entries.filter((line) => line.includes('"open-command"'))).toHaveLength(mostCommands)
        expect(entries.join()).not.toContain('"late"')
        await large.ask('DELETE', '/api/v1/agents/late')
      })

      test('one at a time here, and not to who does not read it', async () => {
        const { answer } = await reading()
        const second = await large.ask('GET', '/api/v1/state/export')
        expect(second.status).toBe(429)
        await waitFor('the end', () => Promise.resolve(large.exports.count === 0 || Promise.reject(new Error('yet'))))
        expect(large.recorded.lines()).toContainEqual(expect.objectContaining({ event: 'state-export-failed' }))
        answer.destroy()
      })

      test('says so where etcd forgets the moment, and ends without an end', async () => {
        const { answer, first } = await reading()
        await large.ask('POST', '/api/v1/agents', { body: { agentId: 'newer' } })
        const { revision } = await large.store.get(keys.agent('newer'))
        await large.etcd.etcdctl('compact', String(revision))
        const read = first + (await rest(answer))
        expect(answer.complete).toBe(false)
        const last = read.trimEnd().split('\n').at(-1) ?? ''
        expect(stateAborted.parse(JSON.parse(last)).detail).toContain('forgotten')
      })
    })
  })

  describe('is imported', () => {
    test('as it was: exported again it is the same, line by line', async () => {
      const { problems, answer } = await importAll(linesOf(text))
      expect({ problems, status: answer.status }).toEqual({ problems: [], status: 200 })
      const again = linesOf((await target.ask('GET', '/api/v1/state/export')).text)
      expect(again.entries).toEqual(linesOf(text).entries)
    })

    test('with keys and tokens that are good, and agents that are offline until they come', async () => {
      await importAll(linesOf(text))
      expect(await new AgentKeys(target.store).check(secret.key)).toMatchObject({ agentId: 'busy' })
      expect(await new PeopleTokens(target.store).check(secret.token)).toMatchObject({ role: 'operator' })
      const { body } = await target.ask('GET', '/api/v1/agents/busy')
      expect(body).toMatchObject({ approval: 'approved', health: 'offline', lastSeenAt: since, fence: { epoch: '42' } })
      expect(body).not.toHaveProperty('connection')
    })

    test('with its commands, in their order, which are found by their keys of idempotency', async () => {
      await importAll(linesOf(text))
      const before = await source.store.list(prefixes.openCommands('busy'), { order: 'created' })
      const after = await target.store.list(prefixes.openCommands('busy'), { order: 'created' })
      expect(after.items.map(({ key }) => key)).toEqual(before.items.map(({ key }) => key))
      // By id it would be another order.
      expect(before.items.map(({ key }) => idOf(key)).toSorted()).not.toEqual(before.items.map(({ key }) => idOf(key)))
      for (const { key } of before.items) {
        const path = `/api/v1/agents/busy/commands/${idOf(key)}`
        expect((await target.ask('GET', path)).body).toEqual((await source.ask('GET', path)).body)
      }
      const done = await target.store.list(prefixes.doneCommands('busy'))
      expect(done.items.map(({ lease }) => lease > 0n)).toEqual([true])
      const { items } = await target.store.list(prefixes.idempotency)
      expect(items.map(({ lease }) => lease > 0n)).toEqual([true])
    })

    test.each([
      ['the same leader', '42', fence.holder, 'again'],
      ['a newer leader', '43', 'pod-2_uid-2_boot-2', 'newer'],
      ['an older leader', '41', 'pod-0_uid-0_boot-0', 'older'],
      ['another leader of the same epoch', '42', 'pod-2_uid-2_boot-2', 'other-holder'],
    ])('with the fence: %s', async (_, epoch, holder, outcome) => {
      await importAll(linesOf(text))
      const registrations = new Registrations({ store: target.store, pod: { name: 'p', uid: 'u' } })
      const lease = await target.store.lease(10)
      const message = registration({ agentId: 'busy', lineage, epoch, holder })
      const registered = await registrations.register({ agentId: 'busy', by: 'key' }, message, 'new', lease)
      expect('as' in registered ? registered.as : registered.outcome).toBe(outcome)
      await lease.revoke()
    })

    test('with open commands given up, where that is asked for', async () => {
      const { answer } = await importAll(linesOf(text), true)
      expect(answer.status).toBe(200)
      expect(await target.store.count(prefixes.allOpenCommands)).toMatchObject({ count: 0 })
      const page: { readonly items: readonly CommandResource[] } = (
        await target.ask('GET', '/api/v1/agents/busy/commands')
      ).body
      expect(page.items.map(({ state, error }) => [state, error?.code]).toSorted()).toEqual([
        ['failed', 'cancelled'],
        ['failed', 'cancelled'],
        ['failed', 'cancelled'],
        ['failed', 'cancelled'],
      ])
    })

    test('once, though requests are repeated whose answers were lost', async () => {
      const { header, entries, trailer } = linesOf(text)
      const { importId, answer } = await begin(header)
      const again = await target.ask('POST', '/api/v1/state/imports', { body: { importId, header } })
      expect({ status: again.status, body: again.body }).toEqual({ status: 201, body: answer.body })
      const half = Math.floor(entries.length / 2)
      const first = await take(importId, 0, entries.slice(0, half))
      expect((await take(importId, 0, entries.slice(0, half))).body).toEqual(first.body)
      expect((await take(importId, 0, entries.slice(0, half - 1))).status).toBe(409)
      expect((await take(importId, 2, entries.slice(half))).status).toBe(409)
      await take(importId, 1, entries.slice(half))
      const done = await complete(importId, trailer)
      expect(done.status).toBe(200)
      expect((await complete(importId, trailer)).body).toEqual(done.body)
      expect(linesOf((await target.ask('GET', '/api/v1/state/export')).text).entries).toEqual(entries)
    })
  })

  describe('is not imported', () => {
    const detailOf = (body: unknown): string => {
      const { detail = '', problems = [] } = body as ProblemDetails
      return [detail, ...problems.map(({ path, message }) => `${path}: ${message}`)].join('\n')
    }

    test('into a store that holds one, and says what is there', async () => {
      await target.ask('POST', '/api/v1/agents', { body: { agentId: 'mine', approved: true } })
      await target.ask('POST', '/api/v1/agents/mine/commands', { body: { action: 'describe' } })
      const before = await stateIn(target.store)
      const { answer } = await begin(linesOf(text).header)
      expect(answer.status).toBe(409)
      expect(detailOf(answer.body)).toContain("the store holds 1 agent ('mine'), 1 open command, ")
      expect(await stateIn(target.store)).toEqual(before)
      expect((await target.ask('POST', '/api/v1/agents', { body: { agentId: 'other' } })).status).toBe(201)
    })

    test.each([
      ['of a newer format', '{"kind":"regent-state","format":2}', /body\.header: expected format 1, got 2.*update/],
      ['that is none', '{"kind":"agent"}', /body\.header: expected the header of an exported state/],
      ['that is no JSON', 'PK', /body\.header: expected the header/],
      ['with a damaged header', '{"kind":"regent-state","format":1}', /body\.header: .*damaged: exportedAt/],
    ])('where it is one %s', async (_, header, message) => {
      const { answer } = await begin(header)
      expect(answer.status).toBe(400)
      expect(detailOf(answer.body)).toMatch(message)
      expect((await target.ask('POST', '/api/v1/agents', { body: { agentId: 'free' } })).status).toBe(201)
    })

    const refused = async (state: ReturnType<typeof linesOf>) => {
      const { importId, answer, problems } = await importAll(state)
      expect(answer.status).toBe(400)
      expect((await target.ask('POST', '/api/v1/agents', { body: { agentId: 'locked' } })).status).toBe(503)
      expect((await abort(importId)).status).toBe(204)
      expect(await stateIn(target.store)).toEqual([])
      expect((await target.ask('POST', '/api/v1/agents', { body: { agentId: 'free' } })).status).toBe(201)
      return { detail: detailOf(answer.body), problems }
    }

    test('where it was cut off, between lines or by an export that failed', async () => {
      const { header, entries } = linesOf(text)
      const last = entries.at(-1) ?? ''
      expect((await refused({ header, entries: entries.slice(0, -1), trailer: last })).detail).toContain('cut off')
      await target.ask('DELETE', '/api/v1/agents/free')
      const aborted = JSON.stringify({ kind: 'aborted', detail: 'etcd was away' })
      expect((await refused({ header, entries, trailer: aborted })).detail).toContain('not finished: etcd was away')
    })

    test('where a line is missing, or is another', async () => {
      const { header, entries, trailer } = linesOf(text)
      expect((await refused({ header, entries: entries.slice(0, -1), trailer })).detail).toMatch(/13 entries, and 12/)
      await target.ask('DELETE', '/api/v1/agents/free')
      const changed = entries.map((line) => line.replace('"approval":"approved"', '"approval":"rejected"'))
      expect((await refused({ header, entries: changed, trailer })).detail).toContain('checksum')
    })

    test('where lines are wrong: all of them are named, and nothing stays', async () => {
      const state = linesOf(text)
      const damage: Readonly<Record<number, (line: string) => string>> = {
        1: (line) => line.slice(0, -1),
        3: (line) => line.replace('"schema":1', '"schema":2'),
        8: (line) => line.replace('"role"', '"rolle"'),
        12: () => '{"kind":"session"}',
      }
      const entries = state.entries.map((line, index) => damage[index]?.(line) ?? line)
      const { detail, problems } = await refused(withEntries(state, entries))
      expect(detail).toMatch(/[0-9]+ of its lines are wrong/)
      const byLine = new Map(problems.map(({ line, message }) => [line, message]))
      expect(byLine.get(3)).toContain('expected JSON')
      expect(byLine.get(5)).toContain('expected schema 1, got 2')
      expect(byLine.get(10)).toBe('token: not of its kind: role')
      expect(byLine.get(14)).toContain('no entry of a state')
      expect(JSON.stringify(problems)).not.toContain('the operator')
    })

    test('where a line is longer than any is, or there are more than a part has', async () => {
      const { header } = linesOf(text)
      const { importId } = await begin(header)
      expect((await take(importId, 0, ['x'.repeat(longestStateLine + 1)])).status).toBe(400)
      expect(
        (
          await take(
            importId,
            0,
            Array.from({ length: 501 }, () => '{}'),
          )
        ).status,
      ).toBe(400)
      expect((await take(importId, 0, ['x'.repeat(1_000_000), 'x'.repeat(4_000_000)])).status).toBe(413)
      expect((await abort(importId)).status).toBe(204)
      expect((await abort(importId)).status).toBe(404)
    })

    test('while another is under way, and nothing else is changed; the import that is given up leaves nothing', async () => {
      const { header, entries } = linesOf(text)
      const { importId } = await begin(header)
      await take(importId, 0, entries.slice(0, 4))
      const { answer } = await begin(header)
      expect(answer.status).toBe(409)
      expect(detailOf(answer.body)).toContain('an import by the first administrator is under way')
      for (const [method, path, body] of [
        ['POST', '/api/v1/agents', { agentId: 'mine' }],
        ['POST', '/api/v1/tokens', { name: 'mine', role: 'viewer' }],
        ['DELETE', '/api/v1/agents/busy', undefined],
        ['POST', '/api/v1/agents/busy/keys', {}],
      ] as const) {
        const refusedThen = await target.ask(method, path, { body })
        expect(refusedThen.status).toBe(503)
        expect(detailOf(refusedThen.body)).toContain('the state is being imported; nothing was changed')
        expect(refusedThen.headers.get('retry-after')).not.toBeNull()
      }
      expect((await abort(importId)).status).toBe(204)
      expect(await stateIn(target.store)).toEqual([])
    })

    test('by who died in the middle of it: the next one waits for its end, and takes its place', async () => {
      const { header, entries } = linesOf(text)
      const { importId } = await begin(header)
      await take(importId, 0, entries.slice(0, 7))
      expect(await stateIn(target.store)).not.toEqual([])
      expect((await begin(header)).answer.status).toBe(409)
      // As much later as its sign of life takes to run out.
      await waitFor('the lease', async () => {
        const { found } = await target.store.get(keys.importAlive)
        return found === undefined || Promise.reject(new Error('still there'))
      })
      expect((await importAll(linesOf(text))).answer.status).toBe(200)
      expect((await take(importId, 1, entries.slice(7))).status).toBe(404)
      expect(linesOf((await target.ask('GET', '/api/v1/state/export')).text).entries).toEqual(entries)
    })

    test('by who died, and any pod clears it away', async () => {
      const { header, entries } = linesOf(text)
      const { importId } = await begin(header)
      await take(importId, 0, entries)
      expect(await target.imports.removeAbandoned()).toBe(false)
      await target.store.transact({ when: [], then: [{ delete: keys.importAlive }] })
      expect(await target.imports.removeAbandoned()).toBe(true)
      expect(await stateIn(target.store)).toEqual([])
      expect((await target.ask('POST', '/api/v1/agents', { body: { agentId: 'free' } })).status).toBe(201)
    })
  })
})

/** Something of everything. @returns a key of agent `busy`, and a token */
async function fill(api: ServedApi): Promise<{ readonly key: string; readonly token: string }> {
  for (const [agentId, approved] of [
    ['a-waiting', false],
    ['busy', true],
    ['busy-2', true],
  ] as const) {
    await api.ask('POST', '/api/v1/agents', { body: { agentId, approved } })
  }
  const connection = { connectionId: 'c', pod: 'p', podUid: 'u', holder: fence.holder, epoch: '42', since }
  await api.store.transact({
    when: [],
    then: [
      { put: keys.fence('busy'), value: fenceRecord.serialize(fence) },
      { put: keys.status('busy'), value: statusRecord.serialize({ health: 'online', since, lastSeenAt: since }) },
      { put: keys.connection('busy'), value: JSON.stringify({ schema: 1, ...connection }) },
      { put: keys.pod('u'), value: '{}' },
    ],
  })
  const { key }: AgentKey & { readonly key: string } = (await api.ask('POST', '/api/v1/agents/busy/keys')).body
  const { token }: { readonly token: string } = (
    await api.ask('POST', '/api/v1/tokens', { body: { name: 'the pipeline', role: 'operator' } })
  ).body
  const give = async (payload: unknown, headers = {}): Promise<CommandResource> =>
    (await api.ask('POST', '/api/v1/agents/busy/commands', { body: { action: 'describe', payload }, headers })).body
  const first = await give({ n: 1 }, { 'idempotency-key': 'k' })
  await give({ deep: [1, { a: null, text: 'ä\n"\\\u2028' }] })
  // Made by a pod whose clock is behind: younger, with an id that is older.
  const ofSlowClock = { ...first, commandId: '000000000000000000000000000000', deliveries: 2, payloadBytes: 2 }
  const lastDelivery = { connectionId: 'c', holder: fence.holder, epoch: '42', at: since }
  await api.store.transact({
    when: [],
    then: [
      {
        put: keys.openCommand('busy', ofSlowClock.commandId),
        value: openCommandRecord.serialize({ ...ofSlowClock, state: 'received', lastDelivery }),
      },
      { put: keys.commandPayload('busy', ofSlowClock.commandId), value: '{"schema":1,"payload":{}}' },
    ],
  })
  const { commandId } = await give({ n: 3 })
  await api.ask('POST', `/api/v1/agents/busy/commands/${commandId}/cancel`)
  return { key, token }
}
