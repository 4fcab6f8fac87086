import { afterEach, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { SharedFollow } from '../../src/commands/shared-follow.ts'
import { Compacted } from '../../src/store/errors.ts'
import type { KeyValue, WatchBatch, WatchEvent } from '../../src/store/key-value.ts'
import type { FollowUpdate } from '../../src/store/store.ts'

const place = (name: string): string => `/all/${name}/`
const item = (key: string, revision: number): KeyValue => ({
  key,
  value: Buffer.from(''),
  createRevision: BigInt(revision),
  modRevision: BigInt(revision),
  lease: 0n,
})
const put = (key: string, revision: number): WatchEvent => ({ kind: 'put', item: item(key, revision) })

/** A store with one watch, which a test feeds, and lists that a test answers. */
class FedStore {
  revision = 10n
  /** Revisions after which a watch was begun. */
  readonly watches: bigint[] = []
  readonly listed: string[] = []
  /** What each list finds. */
  items: (prefix: string) => readonly KeyValue[] = () => []
  /** Waited for by each list. */
  mayList: Promise<unknown> = Promise.resolve()
  readonly #batches: (WatchEvent[] | Error)[] = []
  #wake: () => void = () => undefined

  count = (): Promise<{ count: number; revision: bigint }> => Promise.resolve({ count: 0, revision: this.revision })

  async snapshot(prefix: string): Promise<{ items: readonly KeyValue[]; revision: bigint }> {
    this.listed.push(prefix)
    const { revision } = this
    await this.mayList
    return { items: this.items(prefix), revision }
  }

  feed(batch: WatchEvent[] | Error): void {
    this.#batches.push(batch)
    this.#wake()
  }

  async *watch(_: string, { after, signal }: { after: bigint; signal: AbortSignal }): AsyncGenerator<WatchBatch> {
    this.watches.push(after)
    signal.addEventListener('abort', () => this.#wake())
    while (!signal.aborted) {
      const batch = this.#batches.shift()
      if (batch instanceof Error) throw batch
      if (batch === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
      else yield { events: batch, revision: 0n }
    }
  }
}

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function shared() {
  const store = new FedStore()
  const { log } = recordedLog()
  const follow = new SharedFollow(store, '/all/', log)
  const ended = new AbortController()
  const running = follow.run(ended.signal)
  ends.push(() => {
    ended.abort()
    return running
  })
  /** Follows a place. @returns what it was told */
  const told = (name: string): { readonly updates: string[]; readonly end: () => Promise<void> } => {
    const updates: string[] = []
    const closed = new AbortController()
    const following = (async () => {
      for await (const update of follow.follow(place(name), { signal: closed.signal })) updates.push(textOf(update))
    })()
    const end = (): Promise<void> => {
      closed.abort()
      return following
    }
    ends.push(end)
    return { updates, end }
  }
  return { store, told }
}

function textOf(update: FollowUpdate): string {
  const keys =
    update.kind === 'snapshot'
      ? update.items.map(({ key }) => key)
      : update.events.map((event) => (event.kind === 'put' ? event.item.key : `-${event.key}`))
  return `${update.kind} ${update.revision}: ${keys.join(' ')}`
}

const until = (updates: readonly string[], count: number): Promise<unknown> =>
  waitFor(`${count} updates`, () => updates.length >= count, { seconds: 5, everyMilliseconds: 2 })

describe('places that are followed together', () => {
  test('are told what is there, then what happens there and nowhere else, over one watch', async () => {
    const { store, told } = shared()
    store.items = (prefix) => [item(`${prefix}old`, 3)]
    const [a, b] = [told('a'), told('b')]
    await Promise.all([until(a.updates, 1), until(b.updates, 1)])
    store.feed([put('/all/a/1', 11), put('/all/ab/1', 11), put('/all/b/1', 11)])
    store.feed([{ kind: 'delete', key: '/all/a/1', modRevision: 12n }])
    await Promise.all([until(a.updates, 2), until(b.updates, 2)])
    await until(a.updates, 3)
    expect(a.updates).toEqual(['snapshot 10: /all/a/old', 'changes 11: /all/a/1', 'changes 12: -/all/a/1'])
    expect(b.updates).toEqual(['snapshot 10: /all/b/old', 'changes 11: /all/b/1'])
    expect(store.watches).toEqual([10n])
  })

  test('are told nothing that the list had already, and everything that happened while it was read', async () => {
    const { store, told } = shared()
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const first = told('a')
    await until(first.updates, 1)
    store.revision = 20n
    store.mayList = promise
    const { updates } = told('a')
    await waitFor('the list', () => store.listed.length === 2, { seconds: 5, everyMilliseconds: 2 })
    store.feed([put('/all/a/before', 19), put('/all/a/after', 21)])
    await until(first.updates, 2)
    resolve(undefined)
    await until(updates, 2)
    expect(updates).toEqual(['snapshot 20: ', 'changes 21: /all/a/after'])
  })

  test('are read again where the watch could not go on, and from nothing that came before', async () => {
    const { store, told } = shared()
    const { updates } = told('a')
    await until(updates, 1)
    store.revision = 5n
    store.feed(new Compacted('restored from a backup'))
    await until(updates, 2)
    store.feed([put('/all/a/new', 6)])
    await until(updates, 3)
    expect(updates).toEqual(['snapshot 10: ', 'snapshot 5: ', 'changes 6: /all/a/new'])
    expect(store.watches).toEqual([10n, 5n])
  })

  test('are told nothing any more once they are not followed', async () => {
    const { store, told } = shared()
    const [a, b] = [told('a'), told('b')]
    await Promise.all([until(a.updates, 1), until(b.updates, 1)])
    await a.end()
    store.feed([put('/all/a/1', 11), put('/all/b/1', 11)])
    await until(b.updates, 2)
    expect(a.updates).toHaveLength(1)
  })
})
