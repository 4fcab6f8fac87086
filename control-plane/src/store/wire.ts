import type { Compare, KeyValue, Operation, OperationResult, Transaction, TransactionResult } from './key-value.ts'
import type { Message } from './protocol-types.ts'
import type { WireKeyValue, WireResult, WireTransaction } from './protocol.ts'

/** The first key after all that begin with the prefix: every prefix of ours ends with `/`, which `0` follows. */
export function rangeEnd(prefix: string): Uint8Array {
  if (!prefix.endsWith('/')) {
    throw new TypeError(`prefix: expected one that ends with '/', got '${prefix}'; use prefixes of keys.ts`)
  }
  return Buffer.from(`${prefix.slice(0, -1)}0`)
}

/** What etcd is asked to read for a key or for a prefix. */
export function rangeRequest(key: string, prefix: boolean, limit?: number): Message<'RangeRequest'> {
  return {
    key: Buffer.from(key),
    ...(prefix ? { rangeEnd: rangeEnd(key) } : {}),
    ...(limit === undefined ? {} : { limit: BigInt(limit) }),
  }
}

export function wireCompare(compare: Compare): Message<'Compare'> {
  if ('empty' in compare) {
    // etcd compares every key of the range, and where there is none one that was never made.
    const range = { key: Buffer.from(compare.empty), rangeEnd: rangeEnd(compare.empty) }
    return { ...range, target: 'CREATE', result: 'EQUAL', createRevision: 0n }
  }
  const key = Buffer.from(compare.key)
  if ('modRevision' in compare) return { key, target: 'MOD', result: 'EQUAL', modRevision: compare.modRevision }
  if ('createRevision' in compare) {
    return { key, target: 'CREATE', result: 'EQUAL', createRevision: compare.createRevision }
  }
  return { key, target: 'CREATE', result: compare.exists ? 'GREATER' : 'EQUAL', createRevision: 0n }
}

export function wireOperation(operation: Operation): Message<'RequestOp'> {
  if ('put' in operation) {
    const value = typeof operation.value === 'string' ? Buffer.from(operation.value) : operation.value
    return { requestPut: { key: Buffer.from(operation.put), value, lease: operation.lease ?? 0n } }
  }
  if ('attach' in operation) {
    const key = Buffer.from(operation.attach)
    const put = { requestPut: { key, ignoreValue: true, lease: operation.lease } }
    // etcd refuses a whole transaction that would put a key without its value, where there is none.
    return { requestTxn: { compare: [wireCompare({ key: operation.attach, exists: true })], success: [put] } }
  }
  if ('count' in operation) {
    const { count, revision = 0n } = operation
    return { requestRange: { ...rangeRequest(count, true), countOnly: true, revision } }
  }
  if ('delete' in operation) {
    const end = operation.prefix === true ? { rangeEnd: rangeEnd(operation.delete) } : {}
    return { requestDeleteRange: { key: Buffer.from(operation.delete), ...end } }
  }
  const { get, prefix = false, limit, revision = 0n } = operation
  return { requestRange: { ...rangeRequest(get, prefix, limit), revision } }
}

export function wireTransaction({ when, then, otherwise = [] }: Transaction): Message<'TxnRequest'> {
  return { compare: when.map(wireCompare), success: then.map(wireOperation), failure: otherwise.map(wireOperation) }
}

/** @param revision at which it took place, which etcd says of a whole request */
export function transactionResult({ succeeded, responses }: WireTransaction, revision: bigint): TransactionResult {
  return { succeeded, revision, results: responses.map(operationResult) }
}

export function operationResult(wire: WireResult): OperationResult {
  if (wire.responseRange !== null) {
    const { kvs, more, count } = wire.responseRange
    return { kind: 'get', items: kvs.map(keyValue), more, count: Number(count) }
  }
  if (wire.responseDeleteRange !== null) {
    return { kind: 'delete', deleted: Number(wire.responseDeleteRange.deleted) }
  }
  return { kind: 'put' }
}

export function keyValue(wire: WireKeyValue): KeyValue {
  return { ...wire, key: Buffer.from(wire.key).toString('utf8') }
}
