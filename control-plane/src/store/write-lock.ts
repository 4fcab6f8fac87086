import { StoreLocked } from './errors.ts'
import type { Operation, Transaction, TransactionResult } from './key-value.ts'
import { isOfState, keys } from './keys.ts'

/**
 * Makes a transaction that changes the state fail while the state is imported. The import itself compares the lock by
 * its revision and is left as it is. Whether somebody writes is decided by etcd, in the transaction: no pod has to
 * have heard of the import.
 *
 * @throws TypeError for one that changes the state where its comparisons fail, which the lock could not prevent
 */
export function withLock(transaction: Transaction): {
  readonly locked: Transaction
  /** Whether {@link unlocked} must look at the result. */
  readonly isLockable: boolean
} {
  const { when, then, otherwise = [] } = transaction
  const isOfImport = when.some((compare) => 'key' in compare && compare.key === keys.importLock)
  if (isOfImport || ![...then, ...otherwise].some(changesState)) return { locked: transaction, isLockable: false }
  if (otherwise.some(changesState)) {
    throw new TypeError('otherwise: expected steps that read, got one that changes the state; make it a transaction')
  }
  return {
    locked: {
      when: [...when, { key: keys.importLock, exists: false }],
      then,
      otherwise: [...otherwise, { get: keys.importLock }],
    },
    isLockable: true,
  }
}

/** The result without what {@link withLock} added. @throws StoreLocked where the lock made it fail */
export function unlocked(result: TransactionResult): TransactionResult {
  if (result.succeeded) return result
  const lock = result.results.at(-1)
  if (lock?.kind === 'get' && lock.items.length > 0) throw new StoreLocked()
  return { ...result, results: result.results.slice(0, -1) }
}

function changesState(operation: Operation): boolean {
  if ('put' in operation) return isOfState(operation.put)
  if ('attach' in operation) return isOfState(operation.attach)
  return 'delete' in operation && isOfState(operation.delete)
}
