import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DeepReadonly, EnvironmentInput } from './environment.ts'

/**
 * Environments differ only by data, in at most three layers: what all share, what a group shares, what is its own.
 * Objects merge; arrays and `null` replace. Every value keeps the file that it was written in.
 */
export interface Layer {
  readonly values: Values
  /** File of every leaf, by its path: `agent.replicas` → `environments/staging.ts`. */
  readonly origins: ReadonlyMap<string, string>
  /** File of the uppermost layer, the one that is named for what is missing. */
  readonly file: string
  /** How many layers this one consists of. */
  readonly depth: number
}

export interface Values {
  readonly [key: string]: Value
}
export type Value = string | number | boolean | null | readonly Value[] | Values

/** Any part of an environment; an unknown key does not compile. */
export type PartOf<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: PartOf<T[K]> | undefined }
    : T
export type EnvironmentPart = PartOf<DeepReadonly<EnvironmentInput>>

/** Most layers that an environment may have: with more, nobody finds where a value comes from. */
export const mostLayers = 3

const projectFolder = resolve(import.meta.dirname, '../..')

/** The lowest layer. Pass `import.meta`, from which the file of its values is taken. */
export function layer(module: Pick<ImportMeta, 'url'>, part: EnvironmentPart): Layer {
  return extend({ values: {}, origins: new Map(), file: '', depth: 0 }, module, part)
}

/**
 * A layer over another one.
 *
 * @throws when there would be more than three, or when a value is no plain data
 */
export function extend(base: Layer, module: Pick<ImportMeta, 'url'>, part: EnvironmentPart): Layer {
  const file = relative(projectFolder, fileURLToPath(module.url)).split(sep).join('/')
  const depth = base.depth + 1
  if (depth > mostLayers) {
    throw new Error(`${file}: expected at most ${mostLayers} layers, got ${depth}; merge two of ${dirname(file)}/`)
  }
  const origins = new Map(base.origins)
  const values = merged(base.values, plain(part, file, ''), '', file, origins)
  return { values, origins, file, depth }
}

function merged(below: Values, above: Values, path: string, file: string, origins: Map<string, string>): Values {
  const result: Record<string, Value> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const here = path === '' ? key : `${path}.${key}`
    const under = below[key]
    if (isValues(value)) {
      const both = merged(isValues(under) ? under : {}, value, here, file, origins)
      if (Object.keys(both).length === 0) origins.set(here, file)
      else origins.delete(here)
      result[key] = both
    } else {
      forget(origins, here)
      origins.set(here, file)
      result[key] = value
    }
  }
  return result
}

function forget(origins: Map<string, string>, path: string): void {
  for (const known of origins.keys()) if (known === path || known.startsWith(`${path}.`)) origins.delete(known)
}

/** Whether a value is an object that merges. */
export function isValues(value: Value | undefined): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function plain(part: object, file: string, path: string): Values {
  const values: Record<string, Value> = {}
  for (const [key, value] of Object.entries(part) as [string, unknown][]) {
    if (value !== undefined) values[key] = plainValue(value, file, path === '' ? key : `${path}.${key}`)
  }
  return values
}

function plainValue(value: unknown, file: string, path: string): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) return value.map((item: unknown, index) => plainValue(item, file, `${path}[${index}]`))
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) return plain(value, file, path)
  const received =
    typeof value === 'number' ? String(value) : typeof value === 'object' ? 'an object with behaviour' : typeof value
  throw new Error(`${path}: expected plain data, got ${received}; write the value itself (${file})`)
}

/** The file that a value comes from: its own, that of the list that holds it, the first of what it holds, or `default`. */
export function originOf(layer: Layer, path: string): string {
  const whole = path.replace(/\.[0-9]+(\..*)?$/, '')
  const own = layer.origins.get(whole)
  if (own !== undefined) return own
  for (const [known, file] of layer.origins) if (known.startsWith(`${whole}.`)) return file
  return 'default'
}
