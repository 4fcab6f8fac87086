import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import { apply, kubectl } from '../../../test/cluster/kubectl.ts'
import { createNamespace, deleteNamespace } from '../../../test/cluster/namespace.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { ApiServer } from '../../src/election/api-server.ts'
import { textAt } from '../../src/election/json.ts'
import { leaseCollection } from '../../src/election/lease-client.ts'
import { Watch, type WatchEnd, type WatchOptions } from '../../src/election/watch.ts'
import { asServiceAccount, type AsServiceAccount } from './real-api-server.ts'

const group = 'coordination.k8s.io'
let namespace = ''
let path = ''
let watcher: AsServiceAccount
beforeAll(async () => {
  namespace = await createNamespace('watch')
  path = leaseCollection(namespace)
  // With the name, as the Role of the agent has it: the API server then insists on the selector.
  const rules = [{ apiGroups: [group], resources: ['leases'], resourceNames: ['mine'], verbs: ['watch'] }]
  watcher = await asServiceAccount(namespace, 'watcher', rules)
})
const closing: (() => unknown)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})
afterAll(async () => {
  watcher.remove()
  await deleteNamespace(namespace)
})

function watchOf(options: Partial<WatchOptions> = {}, api: ApiServer = watcher.api): Watch {
  const watch = new Watch(api, { path, fieldSelector: 'metadata.name=mine', ...options })
  closing.push(() => watch.close())
  return watch
}

interface Lease {
  readonly metadata: { readonly resourceVersion: string }
}

async function create(name: string): Promise<Lease> {
  const { body } = await apiRequest<Lease>({ method: 'POST', path, body: { metadata: { name, namespace } } })
  return body
}

async function annotate(name: string, value: string): Promise<Lease> {
  const body = { metadata: { annotations: { value } } }
  return (await apiRequest<Lease>({ method: 'PATCH', path: `${path}/${name}`, body })).body
}

async function remove(name: string): Promise<void> {
  await apiRequest({ method: 'DELETE', path: `${path}/${name}` })
}

/** What the watch tells until it told so many, in order. */
function told(watch: Watch, count: number): Promise<readonly (readonly [string, string | undefined])[]> {
  const all: (readonly [string, string | undefined])[] = []
  return new Promise((resolve, reject) => {
    watch.on('event', ({ type, object }) => {
      all.push([type, textAt(object, 'metadata', 'resourceVersion')])
      if (all.length === count) resolve(all)
    })
    watch.on('ended', (end) => reject(new Error(JSON.stringify(end))))
  })
}

async function endOf(watch: Watch): Promise<WatchEnd> {
  return ((await once(watch, 'ended')) as [WatchEnd])[0]
}

describe('a watch on the API server', () => {
  test('tells of one Lease what happened to it since the version, and nothing of others', async () => {
    const created = await create('mine')
    const watch = watchOf()
    const all = told(watch, 3)
    watch.start(created.metadata.resourceVersion)
    await once(watch, 'answered')
    await create('other')
    const first = await annotate('mine', 'first')
    const second = await annotate('mine', 'second')
    await remove('mine')
    const [modified, again, deleted] = await all
    expect(modified).toEqual(['MODIFIED', first.metadata.resourceVersion])
    expect(again).toEqual(['MODIFIED', second.metadata.resourceVersion])
    expect(deleted?.[0]).toBe('DELETED')
    // The deletion has a version of its own: a watch that goes on there misses nothing.
    expect(BigInt(watch.resourceVersion ?? 0)).toBeGreaterThan(BigInt(second.metadata.resourceVersion))
  })

  test('goes on at the version where another ended', async () => {
    const created = await create('mine')
    const watch = watchOf()
    watch.start(created.metadata.resourceVersion)
    await once(watch, 'answered')
    watch.close()
    const missed = await annotate('mine', 'missed')
    const all = told(watch, 1)
    watch.start(watch.resourceVersion)
    expect(await all).toEqual([['MODIFIED', missed.metadata.resourceVersion]])
    await remove('mine')
  })

  test('ends as agreed, with a bookmark before', async () => {
    const created = await create('mine')
    await create('passing-by')
    const bookmarks: string[] = []
    // API servers promise none: those of older releases leave one out now and then.
    for (let attempt = 1; attempt <= 4 && bookmarks.length === 0; attempt += 1) {
      const watch = watchOf({ timeoutSeconds: 8, random: () => 0.5 })
      watch.on('bookmark', ({ resourceVersion }) => bookmarks.push(resourceVersion))
      watch.start(created.metadata.resourceVersion)
      expect(await endOf(watch)).toMatchObject({ reason: 'timeout' })
      expect(watch.resourceVersion).toBe(bookmarks.at(-1) ?? created.metadata.resourceVersion)
    }
    expect(bookmarks).not.toEqual([])
    expect(BigInt(bookmarks.at(-1) ?? 0)).toBeGreaterThanOrEqual(BigInt(created.metadata.resourceVersion))
    await remove('mine')
  })

  test('ends when its version is too old', async () => {
    // What the API server remembers of a kind begins with the kind: the Lease's own would take minutes to forget.
    const things = `${namespace}.regent.test`
    const names = { kind: 'Thing', plural: 'things', singular: 'thing', listKind: 'ThingList' }
    const schema = { openAPIV3Schema: { type: 'object' } }
    const versions = [{ name: 'v1', served: true, storage: true, schema }]
    await apply({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `things.${things}` },
      spec: { group: things, names, scope: 'Namespaced', versions },
    })
    const rules = [{ apiGroups: [things], resources: ['things'], verbs: ['watch'] }]
    const other = await asServiceAccount(namespace, 'things', rules)
    closing.push(() => other.remove())
    try {
      const collection = `/apis/${things}/v1/namespaces/${namespace}/things`
      await waitFor('served kind', async () => (await apiRequest({ path: collection })).status === 200)
      const watch = new Watch(other.api, { path: collection })
      closing.push(() => watch.close())
      watch.start('1')
      expect(await endOf(watch)).toMatchObject({ reason: 'gone', status: 410 })
    } finally {
      await kubectl(['delete', 'customresourcedefinition', `things.${things}`, '--wait=false'])
    }
  })

  test('from a version that is yet to come is accepted and silent, as after a restored backup', async () => {
    await create('mine')
    const watch = watchOf({ timeoutSeconds: 2, random: () => 0.5 })
    const events: unknown[] = []
    watch.on('event', (event) => events.push(event))
    watch.start('999999999999')
    await once(watch, 'answered')
    await annotate('mine', 'unseen')
    expect(await endOf(watch)).toMatchObject({ reason: 'timeout' })
    expect(events).toEqual([])
    await remove('mine')
  })

  test('ends when its connection is cut', async () => {
    const sockets: Socket[] = []
    const { host, port } = watcher.api
    const proxy = createServer((socket) => {
      const server = connect(port, host)
      sockets.push(socket, server)
      for (const each of [socket, server]) each.on('error', () => undefined)
      socket.pipe(server).pipe(socket)
    })
    closing.push(() => proxy.close())
    proxy.listen(0, host)
    await once(proxy, 'listening')
    const watch = watchOf({}, { ...watcher.api, port: (proxy.address() as AddressInfo).port })
    watch.start()
    await once(watch, 'answered')
    for (const socket of sockets) socket.destroy()
    expect(await endOf(watch)).toMatchObject({ reason: 'reset' })
  })

  test('is forbidden without the permission, in words that name it', async () => {
    const watch = watchOf({ fieldSelector: 'metadata.name=other' })
    watch.start()
    const end = await endOf(watch)
    expect(end).toMatchObject({ reason: 'forbidden', status: 403 })
    expect(end.why).toContain('cannot watch resource "leases"')
  })
})
