import { describe, expect, test } from '@jest/globals'
import { environmentJsonSchema, fieldAt, type FieldSchema } from '../../lib/config/field-index.ts'
import { parsed } from './sample.ts'

/** A field of the schema, with whatever JSON Schema says of it. */
type Field = Readonly<Record<string, unknown>>

function isField(value: unknown): value is Field {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function field(value: unknown): Field {
  if (!isField(value)) throw new Error(`expected a field, got ${JSON.stringify(value)}`)
  return value
}

/** Every field with its path, objects and entries of lists included. */
function fields(node: Field, path: string): readonly (readonly [string, Field])[] {
  const properties = Object.entries(isField(node['properties']) ? node['properties'] : {})
  const inner = properties.flatMap(([key, child]) => fields(field(child), path === '' ? key : `${path}.${key}`))
  const entries = node['items'] === undefined ? [] : fields(field(node['items']), `${path}[]`)
  return [[path, node], ...inner, ...entries]
}

const all = fields(field(environmentJsonSchema()), '')
const objects = all.filter(([, { type }]) => type === 'object')
const leaves = all.filter(([, { type }]) => type !== 'object')
const numbers = all.filter(([, { type }]) => type === 'integer' || type === 'number')

test('the walk finds the fields that there are', () => {
  expect(objects.length).toBeGreaterThan(20)
  expect(leaves.map(([path]) => path)).toEqual(
    expect.arrayContaining(['name', 'cluster.zones[]', 'agent.resources.limits.cpu', 'consensus.tls.peerSecretName']),
  )
})

test('is closed at every level', () => {
  expect(objects.filter(([, node]) => node['additionalProperties'] !== false).map(([path]) => path)).toEqual([])
})

test.each(objects)('an unknown key is refused in %j', (path) => {
  const keys = path === '' ? [] : path.split('.')
  const part = [...keys, 'nobodyReadsThis'].reduceRight<unknown>((inner, key) => ({ [key]: inner }), 1)
  expect(parsed(part).problems.map((problem) => problem.path)).toContain(
    ['sample', ...keys, 'nobodyReadsThis'].join('.'),
  )
})

test('holds nothing that a structural schema of Kubernetes cannot', () => {
  const structural = [
    'type properties required additionalProperties items nullable default description enum pattern',
    'minimum maximum minLength maxLength minItems maxItems x-unit x-form',
  ].flatMap((words) => words.split(' '))
  for (const [path, node] of all) {
    expect([path, Object.keys(node).filter((keyword) => !structural.includes(keyword))]).toEqual([path, []])
    expect([path, node['type']]).toEqual([
      path,
      expect.stringMatching(/^(object|array|string|integer|number|boolean)$/),
    ])
    if (node['type'] === 'array') expect([path, isField(node['items'])]).toEqual([path, true])
  }
})

test('patterns are anchored, and need nothing that the regular expressions of Kubernetes do not have', () => {
  for (const [path, { pattern }] of all) {
    if (pattern === undefined) continue
    expect([path, pattern]).toEqual([path, expect.stringMatching(/^\^.*\$$/)])
    expect([path, pattern]).not.toEqual([path, expect.stringMatching(/\(\?[=!<]|\\[1-9]/)])
  }
})

test('every leaf says in a sentence what it is', () => {
  const silent = leaves.filter(
    ([, { description }]) => typeof description !== 'string' || !/^.{4,}[^.\s]$/.test(description),
  )
  expect(silent.map(([path]) => path)).toEqual([])
})

test('every section says what it is', () => {
  const sections = objects.filter(([path]) => path !== '' && !path.includes('.'))
  expect(sections.filter(([, { description }]) => description === undefined).map(([path]) => path)).toEqual([])
})

test('every text of a form says it in words', () => {
  for (const [path, node] of all) {
    expect([path, node['x-form'] !== undefined]).toEqual([path, node['pattern'] !== undefined])
  }
})

test('every number has a range, every list a bound, every text a length or a choice', () => {
  for (const [path, node] of numbers) {
    expect([path, typeof node['minimum'], typeof node['maximum']]).toEqual([path, 'number', 'number'])
  }
  for (const [path, node] of all) {
    if (node['type'] === 'array') expect([path, typeof node['maxItems']]).toEqual([path, 'number'])
    if (node['type'] === 'string') {
      expect([path, Array.isArray(node['enum']) || typeof node['maxLength'] === 'number']).toEqual([path, true])
    }
  }
})

describe('units', () => {
  const units: readonly (readonly [RegExp, string])[] = [
    [/Seconds$/, 's'],
    [/Milliseconds$/, 'ms'],
    [/(Percent|^percent)$/, '%'],
    [/MebibytesPerSecond$/, 'MiB/s'],
    [/^iops$/, '1/s'],
    [/^(cpu|maxCpu)$/, 'CPU'],
    [/^(memory|maxMemory|ephemeralStorage|size|quotaBackend)$/, 'bytes'],
  ]
  /** The unit that a name promises. */
  const promised = (path: string) => units.find(([name]) => name.test(path.split('.').at(-1) ?? ''))?.[1]

  test.each(leaves)('%s', (path, node) => {
    expect(node['x-unit']).toBe(promised(path))
  })

  test('every unit is used', () => {
    const used = new Set(leaves.map(([, node]) => node['x-unit']))
    for (const [, unit] of units) expect(used).toContain(unit)
  })
})

test('every field is required or has a default', () => {
  for (const [path, node] of objects) {
    const required = Array.isArray(node['required']) ? node['required'] : []
    for (const [key, child] of Object.entries(field(node['properties']))) {
      const { default: fallback } = field(child)
      expect([path, key, required.includes(key)]).toEqual([path, key, fallback === undefined])
    }
  }
})

describe('looking up a field', () => {
  test.each([
    [['agent', 'replicas'], 'integer'],
    [['cluster', 'apiServer', 'ports', '0'], 'integer'],
    [['controlPlane', 'autoscaling', 'scaleUp'], 'object'],
    [[], 'object'],
  ])('%j', (path, type) => {
    expect(fieldAt(path)?.type).toBe(type)
  })

  test.each([[['agent', 'replicsa']], [['agent', 'replicas', 'count']], [['agent', '0']], [['nothing', 'at', 'all']]])(
    '%j is none',
    (path) => {
      expect(fieldAt(path)).toBeUndefined()
    },
  )
})

test('the schema is made once', () => {
  const first: FieldSchema = environmentJsonSchema()
  expect(environmentJsonSchema()).toBe(first)
})
