import { type AnyDefinition, fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader'
import { z } from 'zod'
import { enumTypes, type Message, type MessageName, messageTypes } from './protocol-types.ts'

const definitions = fromJSON(
  { nested: { etcdserverpb: { nested: { ...enumTypes, ...messageTypes } } } },
  { longs: String, enums: String, defaults: true },
)

/** Decimal text of a 64-bit integer: this is how it comes out of the decoder. */
const int64 = z.string().transform((text) => BigInt(text))
const bytes = z.instanceof(Uint8Array)

const header = z.object({ revision: int64 })
const keyValue = z.object({
  key: bytes,
  value: bytes,
  createRevision: int64,
  modRevision: int64,
  lease: int64,
})
const rangeResponse = z.object({
  header: header.nullable(),
  kvs: z.array(keyValue),
  more: z.boolean(),
  count: int64,
})
const deleteRangeResponse = z.object({ deleted: int64 })
const responseOp = z.object({
  responseRange: rangeResponse.nullable(),
  responsePut: z.object({}).nullable(),
  responseDeleteRange: deleteRangeResponse.nullable(),
})
const transactionResponse = z.object({ succeeded: z.boolean(), responses: z.array(responseOp) })
/** A step that is a transaction itself; those of that one are none. */
const outerResponseOp = responseOp.extend({ responseTxn: transactionResponse.nullable() })

/** The calls of etcd that the store makes. */
export const calls = {
  range: call('/etcdserverpb.KV/Range', 'RangeRequest', 'RangeResponse', rangeResponse.extend({ header })),
  transact: call(
    '/etcdserverpb.KV/Txn',
    'TxnRequest',
    'TxnResponse',
    z.object({ header, succeeded: z.boolean(), responses: z.array(outerResponseOp) }),
  ),
  grantLease: call(
    '/etcdserverpb.Lease/LeaseGrant',
    'LeaseGrantRequest',
    'LeaseGrantResponse',
    z.object({ id: int64, ttl: int64 }),
  ),
  revokeLease: call('/etcdserverpb.Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse', z.object({})),
  keepLeaseAlive: call(
    '/etcdserverpb.Lease/LeaseKeepAlive',
    'LeaseKeepAliveRequest',
    'LeaseKeepAliveResponse',
    z.object({ id: int64, ttl: int64 }),
  ),
  watch: call(
    '/etcdserverpb.Watch/Watch',
    'WatchRequest',
    'WatchResponse',
    z.object({
      header,
      watchId: int64,
      created: z.boolean(),
      canceled: z.boolean(),
      compactRevision: int64,
      cancelReason: z.string(),
      fragment: z.boolean(),
      events: z.array(z.object({ type: z.enum(['PUT', 'DELETE']), kv: keyValue })),
    }),
  ),
} as const

/** One call of etcd: where it goes, and how its messages are written and read. */
export interface Call<Request, Response> {
  readonly path: string
  readonly serialize: (request: Request) => Buffer
  /** @throws z.ZodError where the answer is none that this call has */
  readonly deserialize: (bytes: Buffer) => Response
}

/** A key and its value as etcd answers them. */
export type WireKeyValue = z.infer<typeof keyValue>
/** What etcd answers to one operation of a transaction: one of the three is there. */
export type WireResult = z.infer<typeof responseOp>
/** What etcd answers to a transaction, be it one of its own or a step of another one. */
export type WireTransaction = z.infer<typeof transactionResponse>
/** One message of a watch. */
export type WatchResponse = ReturnType<(typeof calls)['watch']['deserialize']>

/** A call, from the names of its messages and the schema of its answer. */
export function call<Name extends MessageName, Response>(
  path: string,
  request: Name,
  response: MessageName,
  schema: z.ZodType<Response>,
): Call<Message<Name>, Response> {
  const write = coder(request)
  const read = coder(response)
  return {
    path,
    serialize: (message) => write.serialize(toWire(message)),
    deserialize: (received) => schema.parse(read.deserialize(received)),
  }
}

function coder(name: MessageName): MessageTypeDefinition<object, object> {
  const found = definitions[`etcdserverpb.${name}`]
  if (found === undefined || !isMessage(found)) throw new Error(`'${name}' is no message of protocol-types.ts`)
  return found
}

function isMessage(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> {
  return definition.format === 'Protocol Buffer 3 DescriptorProto'
}

/** 64-bit integers go to the encoder as numbers where those are exact, and else as decimal text: that takes longer. */
function toWire(value: object): object {
  const wire: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value)) wire[name] = wireValue(inner)
  return wire
}

function wireValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Array.isArray(value) ? value.map(wireValue) : toWire(value)
}
