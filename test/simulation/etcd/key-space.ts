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
  transact({ compare = [], success = [], failure = [] }: Message<'TxnRequest'>): {
    readonly succeeded: boolean
    readonly responses: readonly WireResult[]
  } {
    if (Math.max(compare.length, success.length, failure.length) > 128) throw new EtcdError(errors.tooManyOperations)
    for (const branch of [success, failure]) refuseDuplicates(branch)
    const succeeded = compare.every((each) => this.#holds(each))
    const taken = succeeded ? success : failure
    for (const { requestPut: put } of taken) if (put !== undefined) this.#refuse(put)
    const at = this.revision + 1n
    const before = this.log.length
    const responses = taken.map((operation) => this.#do(operation, at))
    if (this.log.length > before) this.revision = at
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

/** A key may be written only once in a branch, be it by two puts or by a put and a delete that covers it. */
function refuseDuplicates(branch: readonly Operation[]): void {
  const puts = new Set<string>()
  for (const { requestPut: put } of branch) {
    if (put === undefined) continue
    if (puts.has(textOf(put.key))) throw new EtcdError(errors.duplicateKey)
    puts.add(textOf(put.key))
  }
  for (const { requestDeleteRange: deletion } of branch) {
    if (deletion === undefined) continue
    if ([...puts].some(keysOf(deletion))) throw new EtcdError(errors.duplicateKey)
  }
}

function wire(stored: Stored): WireKeyValue {
  return { ...stored, key: Buffer.from(stored.key, 'latin1') }
}

export function textOf(key: Uint8Array | undefined): string {
  if (key === undefined) return ''
  return Buffer.isBuffer(key) ? key.toString('latin1') : Buffer.from(key).toString('latin1')
}
