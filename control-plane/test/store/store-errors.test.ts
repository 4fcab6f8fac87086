import { expect, test } from '@jest/globals'
import { status } from '@grpc/grpc-js'
import {
  Compacted,
  LeaseLost,
  StoreForbidden,
  StoreFull,
  StoreRefused,
  StoreUnavailable,
  TooLarge,
} from '../../src/store/errors.ts'
import { storeError } from '../../src/store/store-errors.ts'

const failed = (code: number, details: string, writes = true): Error =>
  storeError({ code, details }, { name: 'Txn at etcd:2379', writes })

test.each([
  [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', StoreFull],
  [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted', Compacted],
  [status.NOT_FOUND, 'etcdserver: requested lease not found', LeaseLost],
  [status.INVALID_ARGUMENT, 'etcdserver: request is too large', TooLarge],
  [status.RESOURCE_EXHAUSTED, 'Received message larger than max (90000000 vs 83886080)', TooLarge],
  [status.UNAVAILABLE, 'etcdserver: no leader', StoreUnavailable],
  [status.DEADLINE_EXCEEDED, 'Deadline exceeded after 5.000s', StoreUnavailable],
  [status.INTERNAL, 'Received RST_STREAM with code 2', StoreUnavailable],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests', StoreUnavailable],
  [status.PERMISSION_DENIED, 'etcdserver: permission denied', StoreForbidden],
  [status.FAILED_PRECONDITION, 'etcdserver: user name not found', StoreForbidden],
  [status.INVALID_ARGUMENT, 'etcdserver: user name is empty', StoreForbidden],
  [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', StoreForbidden],
  [status.FAILED_PRECONDITION, 'etcdserver: role name already exists', StoreRefused],
  [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request', StoreRefused],
])('status %i, "%s"', (code, details, kind) => {
  const error = failed(code, details)
  expect(error).toBeInstanceOf(kind)
  expect(error.message).toContain('Txn at etcd:2379')
  expect(error.message).toContain(details)
})

test('only a write that may have been proposed may have happened', () => {
  const happened = (...parameters: Parameters<typeof failed>): unknown =>
    Reflect.get(failed(...parameters), 'mayHaveHappened')
  expect(happened(status.UNAVAILABLE, 'etcdserver: leader changed', true)).toBe(true)
  expect(happened(status.UNAVAILABLE, 'etcdserver: leader changed', false)).toBe(false)
  expect(happened(status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests', true)).toBe(false)
  expect(happened(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', true)).toBe(true)
  expect(happened(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', false)).toBe(false)
})

test('what etcd forbids has not happened, and is asked again at once only where its users may just have changed', () => {
  const denied = failed(status.PERMISSION_DENIED, 'etcdserver: permission denied')
  expect(denied).toMatchObject({ name: 'StoreForbidden', mayHaveHappened: false, momentary: false })
  expect(denied).toBeInstanceOf(StoreUnavailable)
  expect(denied.message).toContain('common name of its certificate')
  const passing = failed(status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old')
  expect(passing).toMatchObject({ mayHaveHappened: false, momentary: true })
})
