import fc from 'fast-check'
import * as z from 'zod/mini'
import { acceptedBy, anyJson, optionalOf, unknownName } from './accepted-by.ts'
import { boundsOf } from './schema-bounds.ts'

/** A value that a schema must refuse, and every place in it that is wrong. */
export interface Wrong {
  readonly value: unknown
  readonly paths: readonly (readonly PropertyKey[])[]
}

/** Where values come from: `text` has no types, as the path and the query of a URL; a name given twice is a list. */
export type Source = 'json' | 'text'

/** Longest text and list that are made only to be too long. */
const longest = { text: 5000, list: 100 }
/** Levels of lists. Whoever prints what was refused walks it, so it is no deeper than that bears. */
const tooDeep = [40, 500]
const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length']

/**
 * Values of which a schema must refuse every one, made from what it declares: other types, both bounds exceeded, fields
 * left out, fields that a closed object does not have, several of that at once, names of prototypes, and what is far too
 * long or too deep.
 *
 * @throws for a schema of a kind that it does not know, so that nothing is left out unnoticed
 */
export function refusedBy(schema: z.core.$ZodType, source: Source = 'json'): fc.Arbitrary<Wrong> {
  const inner = optionalOf(schema)
  if (inner !== undefined) return refusedBy(inner, source)
  if (schema instanceof z.core.$ZodUnion) return ofUnion(schema)
  if (schema instanceof z.core.$ZodObject) return ofObject(schema, source)
  if (schema instanceof z.core.$ZodArray) return ofList(schema)
  return refusedLeaf(schema, source).map((value) => ({ value, paths: [[]] }))
}

function refusedLeaf(schema: z.core.$ZodType, source: Source): fc.Arbitrary<unknown> {
  const { $ZodBoolean, $ZodCustom, $ZodEnum, $ZodLiteral, $ZodNumber, $ZodString } = z.core
  const others = (...types: readonly string[]) =>
    source === 'text' ? fc.array(fc.string(), { minLength: 2 }) : ofOtherType(...types)
  if (schema instanceof $ZodString) return fc.oneof(others('string'), ...refusedTexts(schema))
  if (schema instanceof $ZodNumber && source === 'text') return fc.oneof(others(), refusedNumbers(schema).map(String))
  if (schema instanceof $ZodNumber) return fc.oneof(others('number'), refusedNumbers(schema))
  if (schema instanceof $ZodBoolean) return others('boolean')
  if (schema instanceof $ZodCustom) return fc.constantFrom(...tooDeep).map(nested)
  if (schema instanceof $ZodEnum || schema instanceof $ZodLiteral) {
    const { def } = schema._zod
    const known = new Set<unknown>('values' in def ? def.values : Object.values(def.entries))
    const text = fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'binary' }))
    return fc.oneof(others(), text).filter((value) => !known.has(value))
  }
  throw new Error(`expected a schema that values are made for, got '${schema._zod.def.type}'; add it here`)
}

/** Lists in lists. */
export function nested(levels: number): unknown {
  return JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)
}

/** JSON of none of these types. */
function ofOtherType(...types: readonly string[]): fc.Arbitrary<unknown> {
  const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value)
  return anyJson.filter((value) => !types.includes(typeOf(value)))
}

function refusedTexts(schema: z.core.$ZodString): readonly fc.Arbitrary<string>[] {
  const { least, most, patterns } = boundsOf(schema)
  const refused = (text: string): boolean =>
    text.length < least || text.length > most || patterns.some((pattern) => !pattern.test(text))
  const lengths = [least - 1, most + 1, longest.text].filter((length) => length >= 0 && Number.isFinite(length))
  const atBounds = lengths.map((length) => 'a'.repeat(length)).filter(refused)
  return [
    ...(atBounds.length > 0 ? [fc.constantFrom(...atBounds)] : []),
    ...(patterns.length > 0 ? [fc.string({ unit: 'binary' }).filter(refused)] : []),
  ]
}

function refusedNumbers(schema: z.core.$ZodNumber): fc.Arbitrary<number> {
  const { least, most, isWhole } = boundsOf(schema)
  const refused = (number: number): boolean =>
    number < least || number > most || (isWhole && !Number.isSafeInteger(number))
  return fc
    .oneof(fc.constantFrom(least - 1, most + 1, 0.5, 2 ** 53, Number.MAX_VALUE, -Number.MAX_VALUE), fc.double())
    .filter((number) => Number.isFinite(number) && refused(number))
}

function ofList(schema: z.core.$ZodArray): fc.Arbitrary<Wrong> {
  const { element } = schema._zod.def
  const { least, most } = boundsOf(schema)
  const whole = (value: unknown): Wrong => ({ value, paths: [[]] })
  const lengths = [least - 1, most + 1].filter((length) => length >= 0 && length <= longest.list)
  const items = fc
    .tuple(
      fc.array(acceptedBy(element), { maxLength: 3 }),
      refusedBy(element),
      fc.array(acceptedBy(element), { maxLength: 3 }),
    )
    .map(([before, { value, paths }, after]) => ({
      value: [...before, value, ...after],
      paths: paths.map((path) => [before.length, ...path]),
    }))
  return fc.oneof(
    items,
    ofOtherType('list').map(whole),
    ...lengths.map((length) => acceptedBy(element).map((item) => whole(Array.from({ length }, () => item)))),
  )
}

/** What is wrong with one field, and what it then is; without a value it is left out. */
interface WrongField extends Omit<Wrong, 'value'> {
  readonly name: string
  readonly value?: unknown
}

function ofObject(schema: z.core.$ZodObject, source: Source): fc.Arbitrary<Wrong> {
  const { shape, catchall } = schema._zod.def
  const missing = (name: string): fc.Arbitrary<WrongField> => fc.constant({ name, paths: [[name]] })
  const fields = Object.entries(shape).map(([name, field]): fc.Arbitrary<WrongField> => {
    const wrong = refusedBy(field, source).map(({ value, paths }) => ({
      ...{ name, value },
      paths: paths.map((path) => [name, ...path]),
    }))
    return optionalOf(field) === undefined ? fc.oneof({ weight: 3, arbitrary: wrong }, missing(name)) : wrong
  })
  const isClosed = catchall instanceof z.core.$ZodNever
  const unknown = fc.tuple(unknownName, anyJson).map(([name, value]) => ({ name, value, paths: [[name]] }))
  const sound = acceptedBy(schema)
  const someWrong = fc
    .subarray([...fields, ...(isClosed ? [unknown] : [])], { minLength: 1 })
    .chain((chosen) => fc.tuple(sound, fc.tuple(...chosen)))
    .map(([whole, wrong]) => {
      const left = new Map(Object.entries(whole as object))
      for (const field of wrong) {
        if ('value' in field) left.set(field.name, field.value)
        else left.delete(field.name)
      }
      return { value: Object.fromEntries(left), paths: wrong.flatMap(({ paths }) => paths) }
    })
  const notObject = ofOtherType('object').map((value) => ({ value, paths: [[]] }))
  return source === 'text' ? someWrong : fc.oneof({ weight: 5, arbitrary: someWrong }, notObject)
}

/** Of a union that one field tells apart: another value of it, or one option with something else wrong. */
function ofUnion(schema: z.core.$ZodUnion): fc.Arbitrary<Wrong> {
  if (!(schema instanceof z.core.$ZodDiscriminatedUnion)) throw new Error('expected a union that a field tells apart')
  const { discriminator, options } = schema._zod.def
  const known = new Set(options.flatMap((option) => [...(option._zod.propValues?.[discriminator] ?? [])]))
  const types = fc.oneof(fc.constantFrom(...names), anyJson).filter((type) => !known.has(type as string))
  const ofType = fc.tuple(acceptedBy(schema), types).map(([value, type]) => ({
    value: { ...(value as object), [discriminator]: type },
    paths: [[discriminator]],
  }))
  const ofOption = fc
    .oneof(...options.map((option) => refusedBy(option)))
    .filter(({ paths }) => !paths.some(([first]) => first === discriminator))
  return fc.oneof({ weight: 5, arbitrary: ofOption }, ofType)
}
