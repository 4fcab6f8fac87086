import type { Problem } from '@regent/contract/problem.ts'
import type { FieldSchema } from './field-index.ts'
import { unitKey } from './fields.ts'
import { isValues, type Layer, originOf, type Value } from './layer.ts'
import { inBytes } from './quantity.ts'

/** `500M` where `500Mi` is the custom is legal, and nearly always a slip of the pen. */
export function unitWarnings(
  field: FieldSchema,
  value: Value | undefined,
  path: string,
  layer: Layer,
  name: string,
): Problem[] {
  if (field.properties !== undefined && isValues(value)) {
    return Object.entries(field.properties).flatMap(([key, child]) =>
      unitWarnings(child, value[key], path === '' ? key : `${path}.${key}`, layer, name),
    )
  }
  if (field[unitKey] !== 'bytes' || typeof value !== 'string') return []
  const [, digits, letter] = /^([0-9]+)([kMGT])$/.exec(value) ?? []
  if (digits === undefined || letter === undefined) return []
  const meant = `${digits}${letter.toUpperCase()}i`
  return [
    {
      path: `${name}.${path}`,
      received: `"${value}" (${inBytes(value)} bytes)`,
      expected: `a binary unit such as "${meant}" (${inBytes(meant)} bytes)`,
      fix: `write "${meant}" unless the decimal unit is meant`,
      severity: 'warning',
      source: originOf(layer, path),
    },
  ]
}
