import * as z from 'zod/mini'
import { optionalOf } from './accepted-by.ts'

/** A value with so many more fields in each object that a schema describes, those in lists and in others as well. */
export function withFields(schema: z.core.$ZodType, value: unknown, added: ReadonlyMap<string, unknown>): unknown {
  return eachObject(schema, value, (fields, known) => [...fields, ...[...added].filter(([name]) => !known.has(name))])
}

/** A value without the fields that a schema does not know, in each object that it describes. */
export function withoutUnknown(schema: z.core.$ZodType, value: unknown): unknown {
  return eachObject(schema, value, (fields, known) => fields.filter(([name]) => known.has(name)))
}

type Fields = readonly (readonly [string, unknown])[]

function eachObject(
  schema: z.core.$ZodType,
  value: unknown,
  changed: (fields: Fields, known: ReadonlySet<string>) => Fields,
): unknown {
  const inner = optionalOf(schema)
  if (inner !== undefined) return eachObject(inner, value, changed)
  if (schema instanceof z.core.$ZodArray && Array.isArray(value)) {
    return value.map((item: unknown) => eachObject(schema._zod.def.element, item, changed))
  }
  if (!(schema instanceof z.core.$ZodObject) || typeof value !== 'object' || value === null) return value
  const shape = new Map(Object.entries(schema._zod.def.shape))
  const fields = Object.entries(value).map(([name, field]: [string, unknown]) => {
    const known = shape.get(name)
    return [name, known === undefined ? field : eachObject(known, field, changed)] as const
  })
  return Object.fromEntries(changed(fields, new Set(shape.keys())))
}
