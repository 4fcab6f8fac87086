import { Batches, type Waiting } from './batches.ts'
import { isPassing } from './errors.ts'
import type { Transaction, TransactionResult } from './key-value.ts'
import { KeysAtOnce, type TouchedKeys, touchedKeys } from './touched-keys.ts'
import { largestTransactionBytes, mostOperations, type TransactionSize } from './transaction-size.ts'

/** Most steps of reads that are joined: all values as large as they may be fit into one answer. */
const mostReads = 32
/**
 * Shortest time from one request of a kind to the next, in milliseconds. Under load it makes fewer of them, each of
 * which costs this process, etcd, its disk and every watch much the same however much it carries; who comes alone does
 * not wait.
 */
const apartMs = 4

/** How transactions are asked of etcd. Each throws what `EtcdClient.unary` throws. */
export interface TransactionCalls {
  readonly one: (transaction: Transaction, size: TransactionSize) => Promise<TransactionResult>
  /** Several that do not touch what another of them writes, as one of etcd's: all happen at once, or none. */
  readonly several: (transactions: readonly Transaction[]) => Promise<readonly TransactionResult[]>
}

interface Sized {
  readonly transaction: Transaction
  readonly size: TransactionSize
  readonly keys: TouchedKeys
}

type Batch = readonly Waiting<Sized, TransactionResult>[]

/**
 * Transactions of all who use the store. Those that come while others are under way are sent as one: it is one request,
 * one entry of etcd's log and one write to its disk, however many they are, and every watch tells of them at once.
 *
 * Guaranteed: each happens whole, by its own comparisons, whatever becomes of those beside it; it is sent after it was
 * asked for; and none reads what another of the same moment writes, so that its revision is the one at which all that
 * it read was so.
 */
export class JoinedTransactions {
  readonly #calls: TransactionCalls
  readonly #reads: Batches<Sized, TransactionResult>
  /** Those that put anything, in whichever branch. */
  readonly #puts: Batches<Sized, TransactionResult>
  /** Those that delete, or read on conditions. A full etcd refuses whatever is sent together with a put. */
  readonly #others: Batches<Sized, TransactionResult>

  constructor(calls: TransactionCalls) {
    this.#calls = calls
    this.#reads = new Batches({ together: readsTogether, run: (batch) => this.#read(batch), apartMs })
    const write = { together: writesTogether, run: (batch: Batch) => this.#write(batch), apartMs }
    this.#puts = new Batches(write)
    this.#others = new Batches(write)
  }

  /** @throws what `EtcdClient.unary` throws */
  async transact(transaction: Transaction, size: TransactionSize): Promise<TransactionResult> {
    // For etcd, only what has no conditions is a read: it needs no entry in the log.
    const isRead = !size.writes && transaction.when.length === 0
    const kind = isRead ? this.#reads : size.takesRoom ? this.#puts : this.#others
    return await kind.add({ transaction, size, keys: touchedKeys(transaction) })
  }

  /** Reads are one list of steps. */
  async #read(batch: Batch): Promise<void> {
    const then = batch.flatMap(({ item }) => item.transaction.then)
    await this.#together(batch, async () => {
      const { results, revision } = await this.#calls.one(
        { when: [], then },
        { writes: false, takesRoom: false, bytes: 0 },
      )
      let taken = 0
      return batch.map(({ item }) => {
        const from = taken
        taken += item.transaction.then.length
        return { succeeded: true, revision, results: results.slice(from, taken) }
      })
    })
  }

  async #write(batch: Batch): Promise<void> {
    await this.#together(batch, () => this.#calls.several(batch.map(({ item }) => item.transaction)))
  }

  async #together(batch: Batch, ask: () => Promise<readonly TransactionResult[]>): Promise<void> {
    const [first, second] = batch
    if (first === undefined) return
    if (second === undefined) {
      first.resolve(await this.#calls.one(first.item.transaction, first.item.size))
      return
    }
    let answers: readonly (TransactionResult | undefined)[]
    try {
      answers = await ask()
    } catch (error) {
      // Where it may have happened, another try would find it done and take it for somebody else's.
      if (isPassing(error)) throw error
      // Nothing has happened: etcd refuses them all because of one, say for a lease that it does not know.
      for (const { item, resolve } of batch) resolve(this.#calls.one(item.transaction, item.size))
      return
    }
    batch.forEach(({ resolve, reject }, index) => {
      const answer = answers[index]
      if (answer === undefined) reject(new Error('etcd answered fewer transactions than it was asked'))
      else resolve(answer)
    })
  }
}

function readsTogether(waiting: Batch): number {
  let steps = 0
  let count = 0
  for (const { item } of waiting) {
    steps += item.transaction.then.length
    if (count > 0 && steps > mostReads) break
    count += 1
  }
  return count
}

function writesTogether(waiting: Batch): number {
  const touched = new KeysAtOnce()
  let bytes = 0
  let steps = 0
  let count = 0
  for (const { item } of waiting) {
    const { transaction, size, keys } = item
    bytes += size.bytes
    steps = Math.max(steps, stepsOf(transaction))
    // etcd counts the transactions, and to these the steps of each.
    const fits = bytes <= largestTransactionBytes && count + 1 + steps <= mostOperations
    if (count > 0 && (keys.hasRanges || !fits || !touched.add(keys))) break
    count += 1
    if (keys.hasRanges) break
    if (count === 1) touched.add(keys)
  }
  return count
}

function stepsOf({ when, then, otherwise = [] }: Transaction): number {
  return Math.max(when.length, then.length, otherwise.length)
}
