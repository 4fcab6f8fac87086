import { expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { Beside, inOrder } from '../../src/census/in-order.ts'
import type { KeyValue, Page } from '../../src/store/key-value.ts'
import { idOf } from '../../src/store/keys.ts'
import type { ListOptions } from '../../src/store/store.ts'

const item = (id: string): KeyValue => ({
  key: `/place/${id}`,
  value: Buffer.alloc(0),
  createRevision: 1n,
  modRevision: 1n,
  lease: 0n,
})

/** A store that holds these ids, in the order of keys, and remembers what it was asked. */
function storeOf(ids: readonly string[]) {
  const asked: ListOptions[] = []
  const items = ids.map(item)
  const list = (_: string, options: ListOptions = {}): Promise<Page> => {
    asked.push(options)
    const { limit = 100, after } = options
    const following = items.filter(({ key }) => after === undefined || key > after.key)
    return Promise.resolve({ items: following.slice(0, limit), revision: 7n, more: following.length > limit })
  }
  return { list, asked }
}

const someIds = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,3}$/), { maxLength: 60 })
  .map((ids) => ids.sort())

test('every item comes once and in order, a page at a time, all at one revision', async () => {
  await fc.assert(
    fc.asyncProperty(someIds, fc.integer({ min: 1, max: 20 }), async (ids, limit) => {
      const store = storeOf(ids)
      const found: string[] = []
      for await (const { key } of inOrder(store, '/place/', { revision: 5n, limit })) found.push(idOf(key))
      expect(found).toEqual(ids)
      expect(store.asked.every((options) => options.revision === 5n && options.limit === limit)).toBe(true)
      expect(store.asked).toHaveLength(Math.max(1, Math.ceil(ids.length / limit)))
    }),
  )
})

test('what stands beside is found for exactly the ids that have it, in one passage', async () => {
  await fc.assert(
    fc.asyncProperty(someIds, someIds, async (ids, others) => {
      const store = storeOf(others)
      const beside = new Beside(inOrder(store, '/place/', { revision: 5n, limit: 3 }))
      const found: string[] = []
      for (const id of ids) if ((await beside.at(id)) !== undefined) found.push(id)
      expect(found).toEqual(ids.filter((id) => others.includes(id)))
      expect(store.asked.length).toBeLessThanOrEqual(Math.max(1, Math.ceil(others.length / 3)))
    }),
  )
})
