import type { Message } from '../../../control-plane/src/store/protocol-types.ts'
import type { WatchResponse, WireKeyValue, WireResult } from '../../../control-plane/src/store/protocol.ts'
import { EtcdError, errors } from './etcd-error.ts'

/** An event as watches tell it, with its key as text. */
export interface Event {
  readonly type: WatchResponse['events'][number]['type']
  readonly kv: WireKeyValue
  readonly key: string
}
type RangeAnswer = NonNullable<WireResult['responseRange']>
type Operation = Message<'RequestOp'>

/** A transaction whose comparisons were made: the steps of the branch that is taken. */
interface Decided {
  readonly succeeded: boolean
  readonly steps: readonly ({ readonly operation: Operation } | { readonly inner: Decided })[]
}

/** What became of a transaction, and of each of its steps. */
interface Transacted {
  readonly succeeded: boolean
  readonly responses: readonly (WireResult & { readonly responseTxn: Transacted | null })[]
}

const nothing = Buffer.alloc(0)

/** Keys are ASCII here: text orders them as bytes do. */
interface Stored extends Omit<WireKeyValue, 'key'> {
  readonly key: string
}

/** What etcd keeps: every revision since the last compaction. */
export class KeySpace {
  revision = 1n
  compacted = 0n
  readonly #keys = new Map<string, Stored>()
  /** Every change, in order: an event of each. */
  readonly log: Event[] = []
  /** Keys by lease. */
  readonly #attached = new Map<bigint, Set<string>>()
  readonly #isLease: (id: bigint) => boolean

  constructor(isLease: (id: bigint) => boolean) {
    this.#isLease = isLease
  }

  /** All of a transaction, or nothing of it and an error. */
  transact(request: Message<'TxnRequest'>): Transacted {
    refuseTooMany(request, 128)
    for (const branch of [request.success, request.failure]) refuseDuplicates(branch)
    // Every comparison is made before anything is done, also those of transactions that are steps.
    const decided = this.#decide(request)
    for (const put of putsOf(decided)) this.#refuse(put)
    const at = this.revision + 1n
    const before = this.log.length
    const transacted = this.#take(decided, at)
    if (this.log.length > before) this.revision = at
    return transacted
  }

  #decide({ compare = [], success = [], failure = [] }: Message<'TxnRequest'>): Decided {
    const succeeded = compare.every((each) => this.#holds(each))
    const steps = (succeeded ? success : failure).map((operation) =>
      operation.requestTxn === undefined ? { operation } : { inner: this.#decide(operation.requestTxn) },
    )
    return { succeeded, steps }
  }

  #take({ succeeded, steps }: Decided, at: bigint): Transacted {
    const none = { responseRange: null, responsePut: null, responseDeleteRange: null }
    const responses = steps.map((step) =>
      'inner' in step
        ? { ...none, responseTxn: this.#take(step.inner, at) }
        : { ...this.#do(step.operation, at), responseTxn: null },
    )
    return { succeeded, responses }
  }

  range(request: Message<'RangeRequest'>): RangeAnswer {
    const { revision = 0n, limit = 0n, keysOnly = false, countOnly = false } = request
    if (revision > this.revision) throw new EtcdError(errors.futureRevision)
    if (revision > 0n && revision < this.compacted) throw new EtcdError(errors.compacted)
    const keys = revision > 0n && revision < this.revision ? this.#keysAt(revision) : this.#keys
    const found = within(keys, request)
    const count = BigInt(found.length)
    if (countOnly) return { header: null, kvs: [], more: false, count }
    const shown = limit > 0n ? found.slice(0, Number(limit)) : found
    const kvs = shown.map((stored) => wire(keysOnly ? { ...stored, value: nothing } : stored))
    return { header: null, kvs, more: shown.length < found.length, count }
  }

  /** What goes with a lease is deleted, at one revision. */
  expire(lease: bigint): void {
    const keys = [...(this.#attached.get(lease) ?? [])].sort()
    this.#attached.delete(lease)
    if (keys.length === 0) return
    this.revision += 1n
    for (const key of keys) this.#remove(key, this.revision)
  }

  /** Forgets what was before this revision. */
  compact(revision: bigint): void {
    this.compacted = revision
  }

  #do(operation: Operation, at: bigint): WireResult {
    const none = { responseRange: null, responsePut: null, responseDeleteRange: null }
    if (operation.requestPut !== undefined) {
      this.#put(operation.requestPut, at)
      return { ...none, responsePut: {} }
    }
    if (operation.requestDeleteRange !== undefined) {
      const found = within(this.#keys, operation.requestDeleteRange)
      for (const { key } of found) this.#remove(key, at)
      return { ...none, responseDeleteRange: { deleted: BigInt(found.length) } }
    }
    return { ...none, responseRange: this.range(operation.requestRange ?? {}) }
  }

  #refuse({ key, ignoreValue = false, lease = 0n }: Message<'PutRequest'>): void {
    if (ignoreValue && !this.#keys.has(textOf(key))) throw new EtcdError(errors.keyNotFound)
    if (lease !== 0n && !this.#isLease(lease)) throw new EtcdError(errors.leaseNotFound)
  }

  #put(request: Message<'PutRequest'>, at: bigint): void {
    const key = textOf(request.key)
    const before = this.#keys.get(key)
    const { lease = 0n } = request
    const given = request.value === undefined ? nothing : Buffer.from(request.value)
    const value = request.ignoreValue === true && before !== undefined ? before.value : given
    if (before !== undefined) this.#attached.get(before.lease)?.delete(key)
    if (lease !== 0n) this.#attached.set(lease, (this.#attached.get(lease) ?? new Set()).add(key))
    const stored = { key, value, createRevision: before?.createRevision ?? at, modRevision: at, lease }
    this.#keys.set(key, stored)
    this.log.push({ type: 'PUT', kv: wire(stored), key })
  }

  #remove(key: string, at: bigint): void {
    const before = this.#keys.get(key)
    if (before === undefined) return
    this.#attached.get(before.lease)?.delete(key)
    this.#keys.delete(key)
    const kv = wire({ key, value: nothing, createRevision: 0n, modRevision: at, lease: 0n })
    this.log.push({ type: 'DELETE', kv, key })
  }

  /** Of a range, every key must; of an empty one, a key that is not there. */
  #holds(compare: Message<'Compare'>): boolean {
    const found = within(this.#keys, compare)
    return (found.length === 0 ? [undefined] : found).every((stored) => holds(compare, stored))
  }

  /** The keys as they were at an older revision. */
  #keysAt(revision: bigint): ReadonlyMap<string, Stored> {
    const keys = new Map<string, Stored>()
    for (const { type, kv, key } of this.log) {
      if (kv.modRevision > revision) break
      if (type === 'PUT') keys.set(key, { ...kv, key })
      else keys.delete(key)
    }
    return keys
  }
}

function holds(compare: Message<'Compare'>, stored: Stored | undefined): boolean {
  const { target, result, modRevision = 0n, createRevision = 0n } = compare
  const is = (target === 'MOD' ? stored?.modRevision : stored?.createRevision) ?? 0n
  const wanted = target === 'MOD' ? modRevision : createRevision
  if (result === 'GREATER') return is > wanted
  if (result === 'EQUAL') return is === wanted
  throw new Error(`the simulated etcd compares nothing by ${result ?? 'nothing'}`)
}

/** Which keys a request is about. */
export function keysOf(request: {
  readonly key?: Uint8Array
  readonly rangeEnd?: Uint8Array
}): (key: string) => boolean {
  const from = textOf(request.key)
  if (request.rangeEnd === undefined) return (key) => key === from
  const end = textOf(request.rangeEnd)
  return (key) => key >= from && key < end
}

function within(
  keys: ReadonlyMap<string, Stored>,
  request: { readonly key?: Uint8Array; readonly rangeEnd?: Uint8Array },
): readonly Stored[] {
  if (request.rangeEnd === undefined) {
    const found = keys.get(textOf(request.key))
    return found === undefined ? [] : [found]
  }
  const covers = keysOf(request)
  const found = [...keys.values()].filter(({ key }) => covers(key))
  return found.sort((one, other) => (one.key < other.key ? -1 : 1))
}

/** Each transaction has so many steps, less those of the one that it is a step of. */
function refuseTooMany({ compare = [], success = [], failure = [] }: Message<'TxnRequest'>, most: number): void {
  const count = Math.max(compare.length, success.length, failure.length)
  if (count > most) throw new EtcdError(errors.tooManyOperations)
  for (const { requestTxn: inner } of [...success, ...failure]) {
    if (inner !== undefined) refuseTooMany(inner, most - count)
  }
}

function putsOf({ steps }: Decided): readonly Message<'PutRequest'>[] {
  return steps.flatMap((step) => {
    if ('inner' in step) return putsOf(step.inner)
    return step.operation.requestPut === undefined ? [] : [step.operation.requestPut]
  })
}

/** What a branch may write: keys that are put, and what is deleted. */
interface Writes {
  readonly puts: Set<string>
  readonly deletions: Message<'DeleteRangeRequest'>[]
}

/**
 * A key may be written only once in a branch, be it by two puts or by a put and a delete that covers it, and by whatever
 * either branch of a transaction that is a step of it may write. etcd lets a key be deleted by a step after it was put by
 * another one that is a transaction, and the reverse not: its order counts here.
 */
function refuseDuplicates(branch: readonly Operation[] = []): Writes {
  const puts = new Set<string>()
  const deletions = branch.flatMap(({ requestDeleteRange: deletion }) => (deletion === undefined ? [] : [deletion]))
  const add = (key: string, exclusive: ReadonlySet<string> = new Set()): void => {
    if (puts.has(key) && !exclusive.has(key)) throw new EtcdError(errors.duplicateKey)
    if (deletions.some((deletion) => keysOf(deletion)(key))) throw new EtcdError(errors.duplicateKey)
    puts.add(key)
  }
  for (const { requestTxn: inner } of branch) {
    if (inner === undefined) continue
    const [one, other] = [refuseDuplicates(inner.success), refuseDuplicates(inner.failure)]
    for (const key of one.puts) add(key)
    // Only one of its branches is taken.
    for (const key of other.puts) add(key, one.puts)
    deletions.push(...one.deletions, ...other.deletions)
  }
  for (const { requestPut: put } of branch) if (put !== undefined) add(textOf(put.key))
  return { puts, deletions }
}

function wire(stored: Stored): WireKeyValue {
  return { ...stored, key: Buffer.from(stored.key, 'latin1') }
}

export function textOf(key: Uint8Array | undefined): string {
  if (key === undefined) return ''
  return Buffer.isBuffer(key) ? key.toString('latin1') : Buffer.from(key).toString('latin1')
}
