import type { CallOptions, EtcdClient } from './etcd-client.ts'
import type { KeyValue, Page, Position } from './key-value.ts'
import { calls } from './protocol.ts'
import type { Message } from './protocol-types.ts'
import { keyValue, rangeEnd, rangeRequest } from './wire.ts'

/** Which part of a list. */
export interface ListOptions extends CallOptions {
  /** Most items. @default 100 */
  readonly limit?: number
  /** The last item of the page before. @default the list begins */
  readonly after?: Position | undefined
  /** The revision of the first page; Compacted where etcd does not have it any more. @default the newest */
  readonly revision?: bigint | undefined
  /** By key, or from the oldest key to the newest, those of one transaction by key. @default 'key' */
  readonly order?: 'key' | 'created'
  /** Leave the values out: they are empty then. @default false */
  readonly keysOnly?: boolean
  /** The page ends once its values have so many bytes. @default 8 MiB */
  readonly mostBytes?: number
}

/** Everything below a prefix, at one revision. */
export interface Snapshot {
  readonly items: readonly KeyValue[]
  readonly revision: bigint
}

const defaultLimit = 100
const defaultMostBytes = 8 * 1024 * 1024
/** So many of the largest values fit into one answer. */
const CHUNK = 64
/** Keys without values are read so many at a time. */
const KEYS_CHUNK = 5000

/** A page in the order of keys. */
export async function listByKey(client: EtcdClient, prefix: string, options: ListOptions): Promise<Page> {
  const { limit = defaultLimit, mostBytes = defaultMostBytes, after, revision, keysOnly = false, ...call } = options
  const items: KeyValue[] = []
  let at = revision
  let from = after === undefined ? prefix : `${after.key}\0`
  let bytes = 0
  for (;;) {
    const answer = await range(
      client,
      { prefix, from, revision: at, limit: Math.min(keysOnly ? KEYS_CHUNK : CHUNK, limit - items.length), keysOnly },
      call,
    )
    at ??= answer.header.revision
    for (const item of answer.kvs.map(keyValue)) {
      items.push(item)
      bytes += item.value.byteLength
      from = `${item.key}\0`
    }
    if (!answer.more || items.length >= limit || bytes >= mostBytes) return { items, revision: at, more: answer.more }
  }
}

/**
 * A page in the order of creation. etcd's own sorting does not say how keys of one transaction are ordered, so that a
 * page could lose one: all keys are read without their values and ordered here.
 */
export async function listByCreation(client: EtcdClient, prefix: string, options: ListOptions): Promise<Page> {
  const { limit = defaultLimit, mostBytes = defaultMostBytes, after, revision, keysOnly = false, ...call } = options
  const keys: KeyValue[] = []
  let at = revision
  for (let from = prefix; ;) {
    const answer = await range(client, { prefix, from, revision: at, limit: KEYS_CHUNK, keysOnly: true }, call)
    at ??= answer.header.revision
    keys.push(...answer.kvs.map(keyValue))
    const last = keys.at(-1)
    if (!answer.more || last === undefined) break
    from = `${last.key}\0`
  }
  const following = keys.filter((key) => after === undefined || byCreation(key, after) > 0).sort(byCreation)
  if (keysOnly) return { items: following.slice(0, limit), revision: at, more: following.length > limit }
  const items: KeyValue[] = []
  let bytes = 0
  while (items.length < Math.min(limit, following.length) && bytes < mostBytes) {
    const chunk = following.slice(items.length, Math.min(limit, items.length + CHUNK))
    const values = await valuesOf(client, chunk, at, call)
    items.push(...values)
    bytes += values.reduce((sum, { value }) => sum + value.byteLength, 0)
  }
  return { items, revision: at, more: items.length < following.length }
}

/** Everything below a prefix at one revision. */
export async function snapshot(client: EtcdClient, prefix: string, options: CallOptions): Promise<Snapshot> {
  const items: KeyValue[] = []
  let revision: bigint | undefined
  for (;;) {
    const page = await listByKey(client, prefix, { ...options, limit: 10 * CHUNK, after: items.at(-1), revision })
    items.push(...page.items)
    revision = page.revision
    if (!page.more) return { items, revision }
  }
}

interface Part {
  readonly prefix: string
  readonly from: string
  readonly revision: bigint | undefined
  readonly limit: number
  readonly keysOnly?: boolean
}

async function range(client: EtcdClient, part: Part, call: CallOptions) {
  const request: Message<'RangeRequest'> = {
    key: Buffer.from(part.from),
    rangeEnd: rangeEnd(part.prefix),
    limit: BigInt(part.limit),
    revision: part.revision ?? 0n,
    keysOnly: part.keysOnly ?? false,
  }
  return await client.unary(calls.range, request, { ...call, writes: false })
}

/** The values of keys at a revision, in their order. */
async function valuesOf(client: EtcdClient, wanted: readonly Position[], revision: bigint, call: CallOptions) {
  const success = wanted.map(({ key }) => ({ requestRange: { ...rangeRequest(key, false), revision } }))
  const answer = await client.unary(calls.transact, { success }, { ...call, writes: false })
  return answer.responses.flatMap(({ responseRange }) => responseRange?.kvs.map(keyValue) ?? [])
}

function byCreation(left: Position, right: Position): number {
  if (left.createRevision !== right.createRevision) return left.createRevision < right.createRevision ? -1 : 1
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0
}
