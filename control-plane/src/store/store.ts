import type { Log } from '@regent/runtime/logging/log.ts'
import { type CallOptions, EtcdClient, type ObserveRequest } from './etcd-client.ts'
import { follow, type FollowUpdate } from './follow.ts'
import type { KeyValue, Page, Transaction, TransactionResult, WatchBatch } from './key-value.ts'
import { JoinedTransactions } from './joined-transactions.ts'
import { grantLease, Lease } from './lease.ts'
import { listByCreation, listByKey, type ListOptions, snapshot, type Snapshot } from './list.ts'
import type { MembersOptions } from './members.ts'
import { calls } from './protocol.ts'
import { watch, type WatchOptions } from './watch.ts'
import { sizeOf } from './transaction-size.ts'
import { keyValue, rangeRequest, transactionResult, wireTransaction } from './wire.ts'
import { unlocked, withLock } from './write-lock.ts'

export type { CallOptions, ObserveRequest } from './etcd-client.ts'
export type { FollowUpdate } from './follow.ts'
export type { ListOptions, Snapshot } from './list.ts'
export type { MembersOptions, StoreTls } from './members.ts'
export { largestTransactionBytes, largestValueBytes, mostOperations } from './transaction-size.ts'
export type { WatchOptions } from './watch.ts'

/** What a read of one key found, and the revision at which it was read. */
export interface ReadKey {
  readonly found: KeyValue | undefined
  readonly revision: bigint
}

export interface StoreOptions extends MembersOptions {
  readonly log: Log
  /** Told of every request when it has ended. @default nobody */
  readonly observe?: ObserveRequest | undefined
}

/**
 * etcd, as the control plane uses it.
 *
 * Every read sees all that was written before it began (etcd's linearizable reads). Every call ends in time; one that
 * etcd did not answer throws `StoreUnavailable`, and a write may have taken effect all the same where that says
 * `mayHaveHappened`: so callers guard writes by what they read, and read back. Calls throw `StoreFull`, `Compacted`,
 * `TooLarge`, `LeaseLost` and `StoreRefused` where they apply, and a signal's reason when it is aborted.
 */
export class Store {
  readonly #client: EtcdClient
  readonly #log: Log
  readonly #joined = new JoinedTransactions({
    one: (transaction, { writes }) => this.#transact(transaction, writes),
    several: (transactions) => this.#transactAtOnce(transactions),
  })

  /** Connects when the first call needs it. @throws TypeError for endpoints or TLS files that cannot be */
  constructor({ log, observe, ...members }: StoreOptions) {
    this.#client = new EtcdClient(members, observe)
    this.#log = log
  }

  /**
   * The value of one key, at the newest revision or at the one that is asked for. Without options, reads of several
   * callers at the same moment are one request.
   */
  async get(
    key: string,
    { revision, ...options }: CallOptions & { readonly revision?: bigint } = {},
  ): Promise<ReadKey> {
    if (revision === undefined && Object.keys(options).length === 0) {
      const { results, revision: at } = await this.transact({ when: [], then: [{ get: key }] })
      const [result] = results
      return { found: result?.kind === 'get' ? result.items[0] : undefined, revision: at }
    }
    const answer = await this.#client.unary(
      calls.range,
      { ...rangeRequest(key, false), ...(revision === undefined ? {} : { revision }) },
      { ...options, writes: false },
    )
    const [found] = answer.kvs
    return { found: found && keyValue(found), revision: answer.header.revision }
  }

  /** A page of the keys below a prefix, by key or in the order of creation. It may end before `limit`: see `more`. */
  async list(prefix: string, options: ListOptions = {}): Promise<Page> {
    return options.order === 'created'
      ? await listByCreation(this.#client, prefix, options)
      : await listByKey(this.#client, prefix, options)
  }

  /** Everything below a prefix at one revision, read page by page. For what is bounded by other means. */
  async snapshot(prefix: string, options: CallOptions = {}): Promise<Snapshot> {
    return await snapshot(this.#client, prefix, options)
  }

  /** How many keys are below a prefix, at the newest revision or at the one that is asked for. */
  async count(
    prefix: string,
    { revision = 0n, ...options }: CallOptions & { readonly revision?: bigint } = {},
  ): Promise<{ readonly count: number; readonly revision: bigint }> {
    const answer = await this.#client.unary(
      calls.range,
      { ...rangeRequest(prefix, true), countOnly: true, revision },
      { ...options, writes: false },
    )
    return { count: Number(answer.count), revision: answer.header.revision }
  }

  /**
   * Does all of `then` where every comparison holds, else all of `otherwise`, at once and at one revision. Without
   * options, transactions of several callers at the same moment are one request, and may have one revision.
   * @throws TooLarge before anything is sent; StoreUnavailable where the outcome may be unknown; StoreLocked while the
   * state is imported, for what changes it
   */
  async transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    const { locked, isLockable } = withLock(transaction)
    const size = sizeOf(locked)
    const isPlain = Object.keys(options).length === 0
    const result = await (isPlain ? this.#joined.transact(locked, size) : this.#transact(locked, size.writes, options))
    return isLockable ? unlocked(result) : result
  }

  /** Asks for a lease and keeps it alive until it is revoked, or lost. */
  async lease(ttlSeconds: number, options: CallOptions = {}): Promise<Lease> {
    return await Lease.grant(this.#client, ttlSeconds, this.#log, options)
  }

  /** Asks for a lease that runs out by itself: its keys live about that long. @returns its id */
  async expiry(ttlSeconds: number, options: CallOptions = {}): Promise<bigint> {
    return (await grantLease(this.#client, ttlSeconds, options)).id
  }

  /** What happens below a prefix after a revision; see {@link watch} for what is guaranteed. */
  watch(prefix: string, options: WatchOptions): AsyncGenerator<WatchBatch, void, undefined> {
    return watch(this.#client, prefix, options, this.#log)
  }

  /** What is below a prefix, then what happens there; see {@link follow} for what is guaranteed. */
  follow(prefix: string, options: { readonly signal: AbortSignal }): AsyncGenerator<FollowUpdate, void, undefined> {
    return follow(this.#client, prefix, options.signal, this.#log)
  }

  /** Ends every connection, watch and renewal. Leases that were not revoked run out by themselves. */
  close(): void {
    this.#client.close()
  }

  async #transact(transaction: Transaction, writes: boolean, options: CallOptions = {}): Promise<TransactionResult> {
    const answer = await this.#client.unary(calls.transact, wireTransaction(transaction), { ...options, writes })
    return transactionResult(answer, answer.header.revision)
  }

  /** Each is a step of one transaction that has no conditions of its own. */
  async #transactAtOnce(transactions: readonly Transaction[]): Promise<readonly TransactionResult[]> {
    const success = transactions.map((transaction) => ({ requestTxn: wireTransaction(transaction) }))
    const { responses, header } = await this.#client.unary(calls.transact, { success }, { writes: true })
    return responses.flatMap(({ responseTxn }) =>
      responseTxn === null ? [] : [transactionResult(responseTxn, header.revision)],
    )
  }
}
