import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { LeaseWatch, type LeaseWatchOptions } from '../../src/election/lease-watch.ts'
import { fakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Watching {
  readonly watch: LeaseWatch
  /** Everything that was told, in order. */
  readonly told: readonly string[]
}

async function watching(listener: RequestListener, options: LeaseWatchOptions = {}): Promise<Watching> {
  const server = await fakeApiServer(listener)
  const watch = new LeaseWatch(server.api, { namespace: 'ours', name: 'regent-agent-a' }, options)
  closing.push(
    () => server.close(),
    () => watch.close(),
  )
  const told: string[] = []
  watch.on('accepted', () => told.push('accepted'))
  watch.on('missed', () => told.push('missed'))
  watch.on('refused', (why) => told.push(`refused: ${why}`))
  watch.on('restarted', (reason, why) => told.push(`restarted: ${reason}: ${why}`))
  return { watch, told }
}

const refused =
  (code: number, message: string): RequestListener =>
  (_, response) =>
    void response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, message }))

describe('the watch on the Lease', () => {
  test('says which verb the Role lacks where it is forbidden, and that it is accepted when it is', async () => {
    let count = 0
    const { watch, told } = await watching(
      (request, response) => {
        count += 1
        if (count === 1) refused(403, 'leases is forbidden')(request, response)
        else response.writeHead(200).flushHeaders()
      },
      { refusedSeconds: 0.02 },
    )
    watch.start()
    await once(watch, 'accepted')
    expect(told).toEqual([
      "refused: may not watch the Lease regent-agent-a in ours; the Role regent-agent-a there must allow 'watch' of leases.coordination.k8s.io and be bound to this pod's ServiceAccount (leases is forbidden)",
      'restarted: forbidden: leases is forbidden',
      'accepted',
    ])
  })

  test('is not asked for again at once where it is forbidden', async () => {
    let count = 0
    const { watch } = await watching((request, response) => {
      count += 1
      refused(403, 'no')(request, response)
    })
    watch.start()
    await once(watch, 'restarted')
    // The first attempt after any other end begins within this many turns.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(count).toBe(1)
  })

  test('says in one line why it is opened again', async () => {
    const { watch, told } = await watching(refused(500, 'etcd is\n  away'))
    watch.start()
    await once(watch, 'restarted')
    expect(told).toEqual(['restarted: error: etcd is away'])
  })

  test('is left alone once it is closed, also by who hears of its end', async () => {
    let count = 0
    const { watch } = await watching((request, response) => {
      count += 1
      refused(500, 'no')(request, response)
    })
    watch.once('restarted', () => watch.close())
    watch.start()
    await once(watch, 'restarted')
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(count).toBe(1)
  })
})
