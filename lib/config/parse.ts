import { type Problem, printed } from '@regent/contract/problem.ts'
import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { type Environment, environmentSchema } from './environment.ts'
import { environmentJsonSchema, fieldAt, type FieldSchema } from './field-index.ts'
import { unitKey } from './fields.ts'
import { isValues, type Layer, originOf, type Value, type Values } from './layer.ts'
import { unitWarnings } from './unit-warnings.ts'

/** A parsed environment, if there is one, and everything that the schema finds wrong or doubtful. */
export interface ParsedEnvironment {
  /**
   * `undefined` where the schema refuses too much. Where only optional values are wrong they are left out, and for a
   * wrong number the nearest allowed one stands in, so that the rules across fields can be judged in the same run; the
   * problems still stop everything.
   */
  readonly environment: Environment | undefined
  readonly problems: readonly Problem[]
}

/** Parses a layer. Paths of problems begin with the environment's name. */
export function parseEnvironment(layer: Layer): ParsedEnvironment {
  const name = nameOf(layer)
  const problems: Problem[] = unitWarnings(environmentJsonSchema(), layer.values, '', layer, name)
  const parsed = environmentSchema.safeParse(layer.values, { reportInput: true })
  if (parsed.success) return { environment: parsed.data, problems }

  problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, layer, name)))
  const repaired = environmentSchema.safeParse(withoutOffenders(layer.values, parsed.error.issues))
  return { environment: repaired.success ? repaired.data : undefined, problems }
}

/** The name under which a layer's problems are reported, also where its own is missing. */
export function nameOf(layer: Layer): string {
  const { name } = layer.values
  return typeof name === 'string' ? name : 'environment'
}

type Issue = z.core.$ZodIssue

function problemsOf(issue: Issue, layer: Layer, name: string): readonly Problem[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') {
    const field = fieldAt(path)
    const missing = issue.input === undefined
    const about = field?.description === undefined ? '' : `: ${field.description}`
    return [
      {
        path: [name, ...path].join('.'),
        received: printed(issue.input),
        expected: expected(issue, field),
        fix: `${missing ? 'add it' : 'correct it'}${about}`,
        severity: 'error',
        source: missing ? layer.file : originOf(layer, path.join('.')),
      },
    ]
  }
  const known = Object.keys(fieldAt(path)?.properties ?? {})
  return issue.keys.map((key) => ({
    path: [name, ...path, key].join('.'),
    received: 'an unknown key',
    expected: `one of ${known.join(', ')}`,
    fix: suggestion(key, known),
    severity: 'error',
    source: originOf(layer, [...path, key].join('.')),
  }))
}

function suggestion(key: string, known: readonly string[]): string {
  if (known.length === 0) return 'remove it'
  const begun = known.find((name) => name.toLowerCase().startsWith(key.toLowerCase()))
  const nearest = begun ?? closest(key, known)
  const alike = begun !== undefined || distance(key, nearest) <= nearest.length / 2
  return alike ? `remove it, or did you mean '${nearest}'?` : 'remove it'
}

function expected(issue: Issue, field: FieldSchema | undefined): string {
  const unit = field?.[unitKey]
  const range =
    field?.minimum !== undefined && field.maximum !== undefined ? ` from ${field.minimum} to ${field.maximum}` : ''
  const inUnit = unit === undefined ? '' : ` (${unit})`
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int' || field?.type === 'integer') return `a whole number${range}${inUnit}`
      return `${typeWord(issue.expected)}${range}${inUnit}`
    case 'too_big':
    case 'too_small':
      if (range !== '') return `a ${field?.type === 'integer' ? 'whole ' : ''}number${range}${inUnit}`
      return `${issue.code === 'too_big' ? 'at most' : 'at least'} ${Number(issue.code === 'too_big' ? issue.maximum : issue.minimum)} ${issue.origin === 'array' ? 'entries' : 'characters'}`
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`
    default:
      return issue.message
  }
}

function typeWord(type: string): string {
  if (type === 'array') return 'a list'
  if (type === 'object') return 'an object'
  return type === 'string' ? 'a text' : type === 'boolean' ? 'true or false' : `a ${type}`
}

function withoutOffenders(values: Values, issues: readonly Issue[]): Values {
  const copy = structuredClone(values) as Record<string, Value>
  for (const issue of issues) {
    // A list goes as a whole: without the wrong entry it would mean something else.
    const list = issue.path.findIndex((key) => typeof key === 'number')
    const path = issue.path.slice(0, list < 0 ? undefined : list).map(String)
    const keys = issue.code === 'unrecognized_keys' && list < 0 ? issue.keys : [path.pop() ?? '']
    let holder: Value | undefined = copy
    for (const key of path) holder = isValues(holder) ? holder[key] : undefined
    if (!isValues(holder)) continue
    for (const key of keys) {
      const standIn = standInOf(holder[key], fieldAt([...path, key]))
      if (standIn === undefined) Reflect.deleteProperty(holder, key)
      else Object.assign(holder, { [key]: standIn })
    }
  }
  return copy
}

/** For a number that is out of its range, or written as a text, the nearest that is allowed. */
function standInOf(value: Value | undefined, field: FieldSchema | undefined): number | undefined {
  if (field?.minimum === undefined || field.maximum === undefined || value === null || value === '') return undefined
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN
  if (Number.isNaN(number)) return undefined
  const whole = field.type === 'integer' ? Math.round(number) : number
  return Math.min(Math.max(whole, field.minimum), field.maximum)
}
