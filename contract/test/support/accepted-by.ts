import fc from 'fast-check'
import * as z from 'zod/mini'
import { boundsOf } from './schema-bounds.ts'

/** Longest text and list that are made only to reach a bound. */
const longestAtBound = { text: 4096, list: 64 }

/** Any JSON, as it comes out of a text: with own fields of every name, and without -0, which JSON does not write. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).map((value): unknown => JSON.parse(JSON.stringify(value))),
  fc.constantFrom('__proto__', 'constructor', 'toString').map((name): unknown => JSON.parse(`{"${name}":{"type":1}}`)),
)

/** Names of fields that no schema of ours has; those of prototypes among them. */
export const unknownName = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', ''),
  fc.string({ unit: 'binary', maxLength: 12 }).map((name) => `${name}~`),
)

/**
 * Values of which a schema must accept every one, made from what it declares: of each bound, both sides that are
 * allowed. What it takes as any JSON (a custom check) is JSON of few levels.
 *
 * @throws for a schema of a kind that it does not know, so that nothing is left out unnoticed
 */
export function acceptedBy(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.core.$ZodString) return texts(schema)
  if (schema instanceof z.core.$ZodNumber) {
    const { coerce } = schema._zod.def
    return coerce === true ? numbers(schema).map(String) : numbers(schema)
  }
  if (schema instanceof z.core.$ZodBoolean) return fc.boolean()
  if (schema instanceof z.core.$ZodCustom) return anyJson
  if (schema instanceof z.core.$ZodUndefined) return fc.constant(undefined)
  if (schema instanceof z.core.$ZodLiteral) return fc.constantFrom(...schema._zod.def.values)
  if (schema instanceof z.core.$ZodEnum) return fc.constantFrom(...Object.values(schema._zod.def.entries))
  if (schema instanceof z.core.$ZodArray) return lists(schema)
  if (schema instanceof z.core.$ZodUnion) return fc.oneof(...schema._zod.def.options.map(acceptedBy))
  if (schema instanceof z.core.$ZodObject) return objects(schema)
  const inner = optionalOf(schema)
  if (inner !== undefined) return fc.option(acceptedBy(inner), { nil: undefined })
  throw new Error(`expected a schema that values are made for, got '${schema._zod.def.type}'; add it here`)
}

/** The schema of what may be left out; nothing for what must be there. */
export function optionalOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const { $ZodOptional, $ZodDefault, $ZodPrefault } = z.core
  const isOptional = schema instanceof $ZodOptional || schema instanceof $ZodDefault || schema instanceof $ZodPrefault
  return isOptional ? schema._zod.def.innerType : undefined
}

function texts(schema: z.core.$ZodString): fc.Arbitrary<string> {
  const { least, most, patterns } = boundsOf(schema)
  const fits = (text: string): boolean =>
    text.length >= least && text.length <= most && patterns.every((pattern) => pattern.test(text))
  const atBounds = [least, most]
    .filter((length) => length >= 0 && length <= longestAtBound.text)
    .flatMap((length) => ['a', '1'].map((character) => character.repeat(length)))
    .filter(fits)
  const [pattern] = patterns
  const length = { minLength: Math.max(0, least), maxLength: Math.min(most, 100) }
  const any = pattern === undefined ? fc.string({ unit: 'binary', ...length }) : fc.stringMatching(pattern)
  const usual = any.filter(fits)
  return atBounds.length === 0 ? usual : fc.oneof({ weight: 6, arbitrary: usual }, fc.constantFrom(...atBounds))
}

function numbers(schema: z.core.$ZodNumber): fc.Arbitrary<number> {
  const { least, most, isWhole } = boundsOf(schema)
  if (isWhole) {
    return fc.integer({ min: Math.max(least, Number.MIN_SAFE_INTEGER), max: Math.min(most, Number.MAX_SAFE_INTEGER) })
  }
  // JSON has no -0.
  const [min, max] = [Math.max(least, -Number.MAX_VALUE), Math.min(most, Number.MAX_VALUE)]
  return fc.double({ min, max, noNaN: true, noDefaultInfinity: true }).map((number) => number + 0)
}

function lists(schema: z.core.$ZodArray): fc.Arbitrary<unknown> {
  const { least, most } = boundsOf(schema)
  const item = acceptedBy(schema._zod.def.element)
  const length = { minLength: Math.max(0, least), maxLength: Math.min(most, longestAtBound.list) }
  const usual = fc.array(item, length)
  if (most > longestAtBound.list) return usual
  return fc.oneof({ weight: 19, arbitrary: usual }, fc.array(item, { minLength: most, maxLength: most }))
}

function objects(schema: z.core.$ZodObject): fc.Arbitrary<unknown> {
  const fields = Object.entries(schema._zod.def.shape)
  const made = fields.map(([name, field]) => [name, acceptedBy(optionalOf(field) ?? field)] as const)
  const requiredKeys = fields.filter(([, field]) => optionalOf(field) === undefined).map(([name]) => name)
  return fc.record(Object.fromEntries(made), { requiredKeys, noNullPrototype: true })
}
