import { TooLarge } from './errors.ts'
import type { Operation, Transaction } from './key-value.ts'

/** Largest value, in bytes. */
export const largestValueBytes = 1024 * 1024
/** Largest transaction, in bytes of its keys and values; etcd itself refuses 1.5 MiB. */
export const largestTransactionBytes = 1400 * 1024
/**
 * Most comparisons, and most steps of either branch, of a transaction: etcd's own default of 128, of which a step that
 * has a condition of its own takes one more.
 */
export const mostOperations = 127

/** What is said of a key besides it, such as a revision, in bytes. */
const besideKeyBytes = 32

/** What a transaction asks of etcd. */
export interface TransactionSize {
  /** Whether it may change what is stored. */
  readonly writes: boolean
  /** Whether it puts anything, in whichever branch: an etcd that is full refuses that, and nothing else. */
  readonly takesRoom: boolean
  /** Bytes of its keys, what is said of each, and values. */
  readonly bytes: number
}

/** Measures a transaction. @throws TooLarge where etcd would refuse it */
export function sizeOf({ when, then, otherwise = [] }: Transaction): TransactionSize {
  const most = Math.max(when.length, then.length, otherwise.length)
  if (most > mostOperations) throw new TooLarge(`a transaction has at most ${mostOperations} steps, got ${most}`)
  let bytes = 0
  let writes = false
  let takesRoom = false
  for (const compare of when) bytes += bytesOf('empty' in compare ? compare.empty : compare.key)
  for (const operation of [...then, ...otherwise]) {
    takesRoom ||= 'put' in operation || 'attach' in operation
    writes ||= takesRoom || 'delete' in operation
    bytes += bytesOf(keyOf(operation))
    if (!('put' in operation)) continue
    const size = Buffer.byteLength(operation.value)
    if (size > largestValueBytes) {
      throw new TooLarge(`${operation.put}: expected a value of at most ${largestValueBytes} bytes, got ${size}`)
    }
    bytes += size
  }
  if (bytes > largestTransactionBytes) {
    throw new TooLarge(`expected a transaction of at most ${largestTransactionBytes} bytes, got ${bytes}; divide it`)
  }
  return { writes, takesRoom, bytes }
}

/** The key, or the prefix, that a step is about. */
export function keyOf(operation: Operation): string {
  if ('put' in operation) return operation.put
  if ('attach' in operation) return operation.attach
  if ('delete' in operation) return operation.delete
  return 'count' in operation ? operation.count : operation.get
}

function bytesOf(key: string): number {
  return Buffer.byteLength(key) + besideKeyBytes
}
