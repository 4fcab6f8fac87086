import { describe, expect, test } from '@jest/globals'
import { etcdKeyPrefix } from '@regent/contract/names.ts'
import { StoreLocked, StoreUnavailable } from '../../src/store/errors.ts'
import type { KeyValue, Operation } from '../../src/store/key-value.ts'
import { isOfState, keys, prefixes } from '../../src/store/keys.ts'
import { unlocked, withLock } from '../../src/store/write-lock.ts'

const put = (key: string): Operation => ({ put: key, value: '{}' })
const lock: KeyValue = {
  key: keys.importLock,
  value: Buffer.from('{}'),
  createRevision: 1n,
  modRevision: 1n,
  lease: 0n,
}
const found = (items: readonly KeyValue[]) => ({ kind: 'get' as const, items, more: false, count: items.length })

describe('a transaction', () => {
  test.each([
    ['puts an agent', put(keys.agent('a'))],
    ['puts a command', put(keys.openCommand('a', 'c'))],
    ['deletes a token', { delete: keys.token('a') }],
    ['deletes the keys of an agent', { delete: prefixes.agentKeys('a'), prefix: true }],
    ['deletes everything', { delete: etcdKeyPrefix, prefix: true }],
    ['puts a payload under a lease', { attach: keys.commandPayload('a', 'c'), lease: 1n }],
  ])('that %s is one that an import locks', (_, step) => {
    const { locked, isLockable } = withLock({ when: [], then: [step] })
    expect(isLockable).toBe(true)
    expect(locked.when).toEqual([{ key: keys.importLock, exists: false }])
    expect(locked.otherwise).toEqual([{ get: keys.importLock }])
  })

  test.each([
    ['reads', { get: keys.agent('a') }],
    ['says where an agent is connected', put(keys.connection('a'))],
    ['says that a pod is there', put(keys.pod('a'))],
    ['is of a sweep', put(keys.commandSweep)],
    ['is the census', put(keys.census)],
  ])('that %s is not', (_, step) => {
    const transaction = { when: [], then: [step] }
    expect(withLock(transaction)).toEqual({ locked: transaction, isLockable: false })
  })

  test('of the import itself is left as it is', () => {
    const transaction = { when: [{ key: keys.importLock, modRevision: 7n }], then: [put(keys.agent('a'))] }
    expect(withLock(transaction)).toEqual({ locked: transaction, isLockable: false })
  })

  test('fails if it changes the state where its comparisons fail', () => {
    expect(() => withLock({ when: [], then: [], otherwise: [put(keys.agent('a'))] })).toThrow(TypeError)
  })

  test('has the result that it asked for, or none because of the lock', () => {
    const failed = { succeeded: false, revision: 3n, results: [found([]), found([])] }
    expect(unlocked(failed)).toEqual({ ...failed, results: [found([])] })
    const done = { ...failed, succeeded: true }
    expect(unlocked(done)).toBe(done)
    const locked = { ...failed, results: [found([]), found([lock])] }
    expect(() => unlocked(locked)).toThrow(StoreLocked)
    // Whatever waits for etcd waits for the end of an import as well.
    expect(new StoreLocked()).toBeInstanceOf(StoreUnavailable)
    expect(new StoreLocked()).toMatchObject({ mayHaveHappened: false, name: 'StoreLocked' })
  })
})

test('every place of the store is of the state, or of the pods', () => {
  const ofState = Object.entries(prefixes)
    .map(([name, prefix]) => [name, isOfState(typeof prefix === 'string' ? prefix : prefix('a'))] as const)
    .filter(([, is]) => !is)
    .map(([name]) => name)
  expect(ofState).toEqual(['connections', 'pods', 'census'])
})
