import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type EtcdUser, etcdUsers } from '@regent/contract/etcd-users.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { binary } from '../../../test/cluster/binaries.ts'
import { run } from '../../../test/cluster/command-line.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { Change } from '../../src/etcd-access/changes.ts'
import { EtcdAccess } from '../../src/etcd-access/etcd-access.ts'
import { StoreForbidden, StoreFull } from '../../src/store/errors.ts'
import { EtcdClient } from '../../src/store/etcd-client.ts'
import { PodPresence } from '../../src/hub/pod-presence.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { type Bearer, type SecuredEtcd, securedEtcd } from '../support/secured-etcd.ts'
import { fill, openStore, text } from '../support/store.ts'

// A real etcd that asks for certificates, and its own tool as the second opinion.

let closers: (() => Promise<void> | void)[]
beforeEach(() => {
  closers = []
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
})

async function started(options: Parameters<typeof securedEtcd>[0] = {}): Promise<SecuredEtcd> {
  const secured = await securedEtcd(options)
  closers.push(secured.close)
  return secured
}

function accessOf(secured: SecuredEtcd, bearer: Bearer = 'root'): EtcdAccess {
  const client = new EtcdClient({ endpoints: secured.etcd.endpoints, tls: secured.tls(bearer) })
  closers.push(() => client.close())
  return new EtcdAccess(client)
}

function storeOf(secured: SecuredEtcd, bearer: Bearer, lines: unknown[] = []): Store {
  const store = openStore(secured.etcd, { tls: secured.tls(bearer), lines })
  closers.push(() => store.close())
  return store
}

const kinds = (changes: readonly Change[]): readonly string[] => changes.map(({ kind }) => kind)
const put = (store: Store, key: string, value = 'x') => store.transact({ when: [], then: [{ put: key, value }] })
const key = keys.agent('a')

/** What etcd's own tool says to somebody. */
async function ctl({ etcd, tls }: SecuredEtcd, bearer: Bearer, ...args: readonly string[]): Promise<string> {
  const { caFile, certificateFile, keyFile } = tls(bearer)
  const files = [`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`]
  const command = [await binary('etcdctl'), `--endpoints=${etcd.member.endpoint}`, '--command-timeout=5s', ...files]
  const { exitCode, stdout, stderr } = await run([...command, ...args])
  return `${exitCode === 0 ? 'done' : 'refused'}: ${stdout}${stderr}`
}

describe('the set-up of users', () => {
  test('makes users without passwords, gives rights first and turns authentication on last; again it does nothing', async () => {
    const secured = await started()
    const access = accessOf(secured)
    expect(kinds((await access.converge(etcdUsers)).changes)).toEqual([
      'add-role',
      'add-role',
      'grant-permission',
      'add-user',
      'add-user',
      'grant-role',
      'grant-role',
      'enable',
    ])
    expect(await ctl(secured, 'root', 'auth', 'status')).toContain('Authentication Status: true')
    expect((await ctl(secured, 'root', 'user', 'list')).split(/\s+/)).toEqual(
      expect.arrayContaining(['root', 'regent-control-plane']),
    )
    expect(await ctl(secured, 'root', 'role', 'get', 'regent-control-plane')).toContain('[/regent/v1/, /regent/v10)')
    const again = await access.converge(etcdUsers)
    expect(again).toEqual({ changes: [], strangers: [] })
  })

  test('is harmless when several do it at once, with three members', async () => {
    const secured = await started({ members: 3 })
    const all = await Promise.all([1, 2, 3, 4].map(() => accessOf(secured).converge(etcdUsers)))
    const made = all.flatMap(({ changes }) => kinds(changes))
    for (const kind of ['add-role', 'add-user']) expect(made.filter((one) => one === kind)).toHaveLength(2)
    expect(await accessOf(secured).converge(etcdUsers)).toEqual({ changes: [], strangers: [] })
    await put(storeOf(secured, 'controlPlane'), key)
  })

  test('takes back what somebody has changed, and leaves to others what is theirs', async () => {
    const secured = await started()
    const access = accessOf(secured)
    await access.converge(etcdUsers)
    const { etcd } = secured
    for (const command of [
      'role revoke-permission regent-control-plane /regent/v1/ /regent/v10',
      'role grant-permission regent-control-plane readwrite / --prefix',
      'user grant-role regent-control-plane root',
      'role add regent-former',
      'user add regent-former --no-password',
      'user grant-role regent-former regent-former',
      'role add theirs',
      'user add somebody --no-password',
      'user grant-role somebody theirs',
      'auth disable',
    ]) {
      await etcd.etcdctl(...command.split(' '))
    }
    const { changes, strangers } = await access.converge(etcdUsers)
    expect(kinds(changes).toSorted()).toEqual([
      'delete-role',
      'delete-user',
      'enable',
      'grant-permission',
      'revoke-permission',
      'revoke-role',
    ])
    expect(strangers).toEqual(['somebody'])
    expect((await ctl(secured, 'root', 'user', 'list')).split(/\s+/)).not.toContain('regent-former')
    expect((await ctl(secured, 'root', 'role', 'list')).split(/\s+/)).toEqual(
      expect.arrayContaining(['regent-control-plane', 'root', 'theirs']),
    )
    const store = storeOf(secured, 'controlPlane')
    await put(store, key)
    expect(await ctl(secured, 'controlPlane', 'put', '/elsewhere', 'x')).toContain('permission denied')
  })

  test('narrows a right that is declared narrower', async () => {
    const secured = await started()
    const access = accessOf(secured)
    await access.converge(etcdUsers)
    const readers: readonly EtcdUser[] = etcdUsers.map(({ name, may }) => ({
      name,
      may: may === 'everything' ? may : may.map(({ prefix }) => ({ prefix, access: 'read' as const })),
    }))
    expect(kinds((await access.converge(readers)).changes)).toEqual(['grant-permission'])
    const store = storeOf(secured, 'controlPlane')
    await expect(put(store, key)).rejects.toThrow(StoreForbidden)
    expect((await store.get(key)).found).toBeUndefined()
  })

  test.each(['controlPlane', 'stranger', 'nameless'] as const)('fails if it is done by: %s', async (bearer) => {
    const secured = await started()
    await accessOf(secured).converge(etcdUsers)
    await expect(accessOf(secured, bearer).converge(etcdUsers)).rejects.toThrow(StoreForbidden)
  })
})

describe('with authentication on', () => {
  let secured: SecuredEtcd
  beforeAll(async () => {
    secured = await securedEtcd()
    const client = new EtcdClient({ endpoints: secured.etcd.endpoints, tls: secured.tls('root') })
    await new EtcdAccess(client).converge(etcdUsers)
    client.close()
  })
  afterAll(() => secured.close())

  test('the control plane does below its prefix what it did before', async () => {
    const store = storeOf(secured, 'controlPlane')
    const lease = await store.lease(30)
    await store.transact({ when: [{ key, exists: false }], then: [{ put: key, value: 'one', lease: lease.id }] })
    expect(text((await store.get(key)).found)).toBe('one')
    expect((await store.list(prefixes.agents)).items).toHaveLength(1)
    expect((await store.snapshot(prefixes.agents)).items).toHaveLength(1)
    await lease.revoke()
    expect((await store.get(key)).found).toBeUndefined()
  })

  test.each([
    ['read elsewhere', ['get', '/elsewhere']],
    ['read everything', ['get', '', '--prefix']],
    ['read what begins like its prefix', ['get', '/regent/v1']],
    ['read beside its prefix', ['get', '/regent/v10']],
    ['write elsewhere', ['put', '/elsewhere', 'x']],
    ['delete elsewhere', ['del', '/elsewhere']],
    ['watch elsewhere', ['watch', '/elsewhere']],
    ['list users', ['user', 'list']],
    ['make a user', ['user', 'add', 'another', '--no-password']],
    ['make itself root', ['user', 'grant-role', 'regent-control-plane', 'root']],
    ['change its role', ['role', 'grant-permission', 'regent-control-plane', 'readwrite', '/', '--prefix']],
    ['turn authentication off', ['auth', 'disable']],
    ['take a snapshot', ['snapshot', 'save', '/dev/null']],
    ['add a member', ['member', 'add', 'another', '--peer-urls=http://127.0.0.1:1']],
    ['remove a member', ['member', 'remove', 'ffff']],
    ['move the leadership', ['move-leader', 'ffff']],
    ['compact', ['compaction', '1']],
    ['defragment', ['defrag']],
  ])('the control plane may not %s', async (_, command) => {
    expect(await ctl(secured, 'controlPlane', ...command)).toContain('permission denied')
  })

  test('root may take a snapshot', async () => {
    const file = join(secured.tls('root').caFile, '../snapshot.db')
    expect(await ctl(secured, 'root', 'snapshot', 'save', file)).toMatch(/^done/)
  })

  test.each(['stranger', 'nameless'] as const)(
    'a certificate of the same authority of %s reads and writes nothing',
    async (bearer) => {
      const store = storeOf(secured, bearer)
      await expect(store.get(key)).rejects.toThrow(StoreForbidden)
      await expect(put(store, key)).rejects.toThrow(StoreForbidden)
      const lease = await store.lease(60)
      const kept = storeOf(secured, 'controlPlane')
      const held = await kept.lease(60)
      await kept.transact({ when: [], then: [{ put: key, value: 'kept', lease: held.id }] })
      expect(await ctl(secured, bearer, 'lease', 'revoke', held.id.toString(16))).toMatch(/^refused/)
      expect(text((await kept.get(key)).found)).toBe('kept')
      await lease.revoke()
      await held.revoke()
    },
  )

  test('a pod that may not write asks for one lease, however often it tries', async () => {
    const { log, lines } = recordedLog()
    const presence = new PodPresence({
      store: storeOf(secured, 'stranger'),
      pod: { name: 'pod-0', uid: 'uid-0' },
      connections: () => 0,
      onLease: () => undefined,
      log,
    })
    const before = await ctl(secured, 'root', 'lease', 'list')
    presence.start()
    await waitFor('some attempts', () => Promise.resolve(lines().length >= 3))
    expect(lines()[2]).toMatchObject({ event: 'presence-unwritten' })
    const after = (await ctl(secured, 'root', 'lease', 'list')).split('\n').filter((line) => !before.includes(line))
    expect(after.filter((line) => /^[0-9a-f]+$/.test(line))).toHaveLength(1)
    await presence.stop()
  })

  test('a write that is too much for the quota is StoreFull as before, and reads go on', async () => {
    const small = await started({ quotaBytes: 2 * 1024 * 1024 })
    await accessOf(small).converge(etcdUsers)
    const store = storeOf(small, 'controlPlane')
    await fill(small.etcd, store)
    await expect(put(store, keys.agent('small'), 'x')).rejects.toThrow(StoreFull)
    expect((await store.get(keys.agent('fill-0'))).found?.value).toHaveLength(200 * 1024)
    // Users and roles are no keys: they can be put right without room.
    await small.etcd.etcdctl('user', 'revoke-role', 'regent-control-plane', 'regent-control-plane')
    expect(kinds((await accessOf(small).converge(etcdUsers)).changes)).toEqual(['grant-role'])
  })
})

describe('the moment at which authentication is turned on', () => {
  test('passes a control plane by: no write fails, its watch misses nothing, its lease lives', async () => {
    const secured = await started({ members: 3 })
    const lines: unknown[] = []
    const store = storeOf(secured, 'controlPlane', lines)
    const lease = await store.lease(10)
    const writersEnded = new AbortController()
    const watchEnded = new AbortController()
    const { revision } = await store.count(prefixes.agents)
    const seen: string[] = []
    const watching = (async () => {
      for await (const { events } of store.watch(prefixes.agents, { after: revision, signal: watchEnded.signal })) {
        for (const event of events) if (event.kind === 'put') seen.push(event.item.key)
      }
    })()
    const written: string[] = []
    const writing = Promise.all(
      [0, 1, 2, 3].map(async (writer) => {
        for (let index = 0; !writersEnded.signal.aborted; index++) {
          const one = keys.agent(`w${writer}-${index}`)
          await store.transact({ when: [], then: [{ put: one, value: 'x', lease: lease.id }] })
          written.push(one)
          expect((await store.get(one)).found).toBeDefined()
        }
      }),
    )
    const more = async (): Promise<void> => {
      const reached = written.length
      await waitFor('writes', () => Promise.resolve(written.length > reached + 20))
    }
    await more()
    await accessOf(secured).converge(etcdUsers)
    await more()
    // And through every other change of users and roles.
    for (let index = 0; index < 10; index++) {
      await secured.etcd.etcdctl('user', 'add', `other-${index}`, '--no-password')
      await more()
    }
    writersEnded.abort()
    await writing
    await waitFor('all of it', () => Promise.resolve(seen.length >= written.length))
    expect(seen.toSorted()).toEqual(written.toSorted())
    expect(lease.lost.aborted).toBe(false)
    expect(lines).not.toContainEqual(expect.objectContaining({ event: 'etcd-lease-renewal-fails' }))
    watchEnded.abort()
    await watching
    await lease.revoke()
  })

  test('is waited for by a watch of somebody who has no rights yet', async () => {
    const secured = await started()
    await accessOf(secured).converge(etcdUsers)
    await secured.etcd.etcdctl('user', 'revoke-role', 'regent-control-plane', 'regent-control-plane')
    const lines: { event?: string; message?: string }[] = []
    const store = storeOf(secured, 'controlPlane', lines)
    const ended = new AbortController()
    const updates: string[] = []
    const following = (async () => {
      for await (const { kind } of store.follow(prefixes.agents, { signal: ended.signal })) updates.push(kind)
    })()
    await waitFor('a refusal', () => Promise.resolve(lines.some(({ event }) => event === 'etcd-list-again')))
    expect(lines.find(({ event }) => event === 'etcd-list-again')?.message).toContain(
      'regent-consensus-access gives that user its rights',
    )
    await accessOf(secured).converge(etcdUsers)
    await waitFor('the list', () => Promise.resolve(updates.includes('snapshot')))
    await put(store, key)
    await waitFor('the change', () => Promise.resolve(updates.includes('changes')))
    ended.abort()
    await following
  })
})
