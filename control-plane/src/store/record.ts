import type { z } from 'zod'
import { UnreadableRecord } from './errors.ts'
import type { KeyValue } from './key-value.ts'

/**
 * The only schema number so far. A change that an older control plane would misread gets the next one; a field that it
 * may as well not know needs none: while pods are updated the older ones write back what the newer ones added.
 */
const schemaNumber = 1

/** How one kind of value is kept in etcd: JSON with the number of its schema. */
export interface RecordType<Value extends object> {
  /**
   * Reads a stored value.
   * @throws UnreadableRecord that names the key: another schema number, no JSON, or not of this kind
   */
  readonly parse: (stored: Pick<KeyValue, 'key' | 'value'>) => Value
  /** Reads a value that is JSON already, of a file for instance. @throws UnreadableRecord that names it by `key` */
  readonly fromJson: (key: string, json: unknown) => Value
  /** Reads what can be read of a list; the rest is left out and returned as errors, to be counted and logged. */
  readonly parseAll: <Stored extends Pick<KeyValue, 'key' | 'value'>>(
    stored: readonly Stored[],
  ) => {
    readonly records: readonly { stored: Stored; value: Value }[]
    readonly unreadable: readonly UnreadableRecord[]
  }
  /** Writes a value, with its schema number. @throws z.ZodError where the value is not of this kind: our own fault */
  readonly serialize: (value: Value) => string
}

/**
 * A kind of value. Fields that the schema does not know are not told, but kept: a value that was made from one that was
 * read, by a spread, is written with them. So are those of the objects in it, as long as they are the same objects.
 */
export function record<Value extends object>(schema: z.ZodType<Value>): RecordType<Value> {
  const fromJson = (key: string, value: unknown): Value => {
    const number: unknown = isObject(value) ? Reflect.get(value, 'schema') : undefined
    if (!isObject(value) || !Number.isSafeInteger(number)) {
      throw new UnreadableRecord(key, 'the value has no schema number')
    }
    if (number !== schemaNumber) {
      throw new UnreadableRecord(
        key,
        `expected schema ${schemaNumber}, got ${String(number)}; a newer control plane wrote it: update this one`,
      )
    }
    const parsed = schema.safeParse(value)
    if (parsed.success) return keepUnknown(value, parsed.data)
    // Which fields, never their content: it may be a person's.
    const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'the value')
    throw new UnreadableRecord(key, `not of its kind: ${[...new Set(fields)].slice(0, 10).join(', ')}`)
  }
  const parse = ({ key, value }: Pick<KeyValue, 'key' | 'value'>): Value => fromJson(key, json(key, value))
  return {
    parse,
    fromJson,
    parseAll: (stored) => {
      const records: { stored: (typeof stored)[number]; value: Value }[] = []
      const unreadable: UnreadableRecord[] = []
      for (const one of stored) {
        try {
          records.push({ stored: one, value: parse(one) })
        } catch (error) {
          if (!(error instanceof UnreadableRecord)) throw error
          unreadable.push(error)
        }
      }
      return { records, unreadable }
    },
    serialize: (value) => JSON.stringify({ schema: schemaNumber, ...withUnknown(value, schema.parse(value)) }),
  }
}

/** Where a value that was read has what its schema does not know. JSON and whoever lists fields does not see it. */
const unknownFields = Symbol('unknown fields')

/** Remembers what `read` has more than `known`, in it and in the objects directly below. */
function keepUnknown<Known extends object>(read: object, known: Known, isTop = true): Known {
  // `__proto__` is no field of any version, and zod takes it out of JSON that it accepts: nothing may be added there.
  const isNone = (field: string): boolean => field === '__proto__' || (isTop && field === 'schema')
  const unknown = Object.keys(read).filter((field) => !Object.hasOwn(known, field) && !isNone(field))
  if (unknown.length > 0) {
    const fields = unknown.map((field): [string, unknown] => [field, Reflect.get(read, field)])
    Object.assign(known, { [unknownFields]: Object.fromEntries(fields) })
  }
  if (!isTop) return known
  for (const [field, kept] of Object.entries(known) as [string, unknown][]) {
    if (!isObject(kept)) continue
    const inner: unknown = Reflect.get(read, field)
    if (isObject(inner)) keepUnknown(inner, kept, false)
  }
  return known
}

/** The known fields of a value and those that were remembered of it. */
function withUnknown(value: object, known: object): object {
  const written = { ...rememberedOf(value), ...known }
  for (const [field, inner] of Object.entries(known) as [string, unknown][]) {
    if (!isObject(inner)) continue
    const from: unknown = Reflect.get(value, field)
    if (isObject(from)) Reflect.set(written, field, { ...rememberedOf(from), ...inner })
  }
  return written
}

function rememberedOf(value: object): object {
  const remembered: unknown = Reflect.get(value, unknownFields)
  return isObject(remembered) ? remembered : {}
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function json(key: string, value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8'))
  } catch {
    throw new UnreadableRecord(key, 'the value is no JSON')
  }
}
