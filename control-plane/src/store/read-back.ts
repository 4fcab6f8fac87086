import { afterLost, isLost, StoreFull } from './errors.ts'
import type { Transaction, TransactionResult } from './key-value.ts'
import type { Store } from './store.ts'

/**
 * Does a transaction that puts a key which nobody else writes, and looks for that key where the answer does not tell
 * whether it took place: for what is made once and shown once, as secrets are.
 *
 * @returns its result; nothing where it took place, as was seen by its key
 * @throws StoreFull where it did not take place; StoreUnavailable where that is not known
 */
export async function transactAndLook(
  store: Pick<Store, 'get' | 'transact'>,
  key: string,
  transaction: Transaction,
): Promise<TransactionResult | undefined> {
  try {
    return await store.transact(transaction)
  } catch (error) {
    if (!isLost(error)) throw error
    const { found } = await store.get(key).catch((failure: unknown) => {
      throw afterLost(failure, error)
    })
    if (found !== undefined) return undefined
    throw error instanceof StoreFull ? error.withoutEffect : error
  }
}
