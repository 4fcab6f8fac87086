import type { Environment } from '../lib/config/environment.ts'
import { environmentJsonSchema, fieldAt } from '../lib/config/field-index.ts'
import { unitKey } from '../lib/config/fields.ts'
import { isValues, type Layer, originOf, type Value } from '../lib/config/layer.ts'
import { suggestion } from './environments.ts'
import { UsageError } from './errors.ts'

/** One value of an environment, after defaults, and the file that it is written in. */
export interface ResolvedValue {
  readonly path: string
  readonly value: Value
  /** Unit of the value, where it has one. */
  readonly unit?: string
  /** File of the value; `default` where no file says anything. */
  readonly origin: string
}

/**
 * The values at a path and below it, in the order of the schema. Lists are one value.
 *
 * @param path as problems name it, with or without the environment's name in front; everything without
 * @throws UsageError when the environment has nothing there
 */
export function resolvedValues(
  layer: Layer,
  environment: Environment,
  path: string | undefined,
): readonly ResolvedValue[] {
  const keys = path === undefined ? [] : relevant(path.split('.'), environment.name)
  const found = valueAt(environment, keys)
  if (found === undefined) throw new UsageError(nothingAt(keys, layer, environment))
  return leaves(found, keys).map((leaf): ResolvedValue => {
    const unit = fieldAt(leaf.keys)?.[unitKey]
    const at = leaf.keys.join('.')
    return { path: at, value: leaf.value, ...(unit === undefined ? {} : { unit }), origin: originOf(layer, at) }
  })
}

function relevant(keys: readonly string[], name: string): readonly string[] {
  const [first] = keys
  const isKey = first !== undefined && Object.hasOwn(environmentJsonSchema().properties ?? {}, first)
  return first === name && !isKey ? keys.slice(1) : keys
}

function valueAt(value: Value, keys: readonly string[]): Value | undefined {
  let found: Value | undefined = value
  for (const key of keys) found = child(found, key)
  return found
}

function child(value: Value | undefined, key: string): Value | undefined {
  if (Array.isArray(value)) return /^(0|[1-9][0-9]*)$/.test(key) ? (value as readonly Value[])[Number(key)] : undefined
  return isValues(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

interface Leaf {
  readonly keys: readonly string[]
  readonly value: Value
}

function leaves(value: Value, keys: readonly string[]): readonly Leaf[] {
  if (!isValues(value) || Object.keys(value).length === 0) return [{ keys, value }]
  return Object.entries(value).flatMap(([key, below]) => leaves(below, [...keys, key]))
}

function nothingAt(keys: readonly string[], layer: Layer, environment: Environment): string {
  const path = keys.join('.')
  for (let length = 1; length < keys.length; length++) {
    const part = keys.slice(0, length)
    if (valueAt(environment, part) === null && fieldAt(keys) !== undefined) {
      const parent = part.join('.')
      return `${environment.name} has no '${path}': ${parent} is null there (${originOf(layer, parent)})`
    }
  }
  const known = leaves(environment, []).flatMap((leaf) =>
    leaf.keys.map((_, index) => leaf.keys.slice(0, index + 1).join('.')),
  )
  const sameEnd = [...new Set(known.filter((one) => one.endsWith(`.${path}`)))]
  const hint = sameEnd.length > 0 ? `, did you mean ${sameEnd.join(' or ')}?` : suggestion(path, known)
  return `${environment.name} has no '${path}'${hint}`
}
