import { describe, expect, test } from '@jest/globals'
import { environments } from '../../environments/index.ts'
import {
  type EnvironmentPart,
  extend,
  isValues,
  type Layer,
  layer,
  originOf,
  type Values,
} from '../../lib/config/layer.ts'
import { nameOf } from '../../lib/config/parse.ts'
import { moduleAt, written } from './sample.ts'

const [low, middle, high] = ['environments/low.ts', 'environments/middle.ts', 'environments/high.ts'] as const

/** Layers of what is given, from the lowest to the uppermost. */
function layers(...parts: readonly unknown[]): Layer {
  const files = [low, middle, high, 'environments/higher.ts']
  return parts
    .map((part, index) => ({ part: written(part), module: moduleAt(files[index] ?? '') }))
    .reduce<Layer | undefined>(
      (below, { part, module }) => (below === undefined ? layer(module, part) : extend(below, module, part)),
      undefined,
    ) as Layer
}

function leaves(values: Values, path = ''): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isValues(value) && Object.keys(value).length > 0 ? leaves(value, `${path}${key}.`) : [`${path}${key}`],
  )
}

describe('layers', () => {
  test('objects merge, at every depth', () => {
    const { values } = layers({ a: 1, b: { c: 2, d: { e: 3 } } }, { b: { d: { f: 4 } } }, { b: { c: 5 }, g: 6 })
    expect(values).toEqual({ a: 1, b: { c: 5, d: { e: 3, f: 4 } }, g: 6 })
  })

  test('lists replace', () => {
    expect(layers({ a: [1, 2, 3] }, { a: [4] }).values).toEqual({ a: [4] })
    expect(layers({ a: [1, 2, 3] }, { a: [] }).values).toEqual({ a: [] })
    expect(layers({ a: [{ b: 1, c: 2 }] }, { a: [{ b: 3 }] }).values).toEqual({ a: [{ b: 3 }] })
  })

  test('null replaces, and is replaced', () => {
    expect(layers({ a: { b: 1 } }, { a: null }).values).toEqual({ a: null })
    expect(layers({ a: null }, { a: { b: 1 } }).values).toEqual({ a: { b: 1 } })
    expect(layers({ a: { b: 1 } }, { a: null }, { a: { c: 2 } }).values).toEqual({ a: { c: 2 } })
  })

  test('an empty object switches on what was null, and takes nothing away', () => {
    expect(layers({ a: null }, { a: {} }).values).toEqual({ a: {} })
    expect(layers({ a: { b: 1 } }, { a: {} }).values).toEqual({ a: { b: 1 } })
  })

  test('undefined says nothing', () => {
    const { values, origins } = layers({ a: 1, b: { c: 2 } }, { a: undefined, b: { c: undefined }, d: undefined })
    expect(values).toStrictEqual({ a: 1, b: { c: 2 } })
    expect(Object.fromEntries(origins)).toEqual({ a: low, 'b.c': low })
  })

  test('false, 0 and the empty text are values', () => {
    expect(layers({ a: true, b: 1, c: 'd' }, { a: false, b: 0, c: '' }).values).toEqual({ a: false, b: 0, c: '' })
  })

  test('the layers below stay as they are', () => {
    const below = layers({ a: { b: 1 }, c: [1] })
    extend(below, moduleAt(middle), written({ a: { b: 2 }, c: [2] }))
    expect(below.values).toEqual({ a: { b: 1 }, c: [1] })
    expect(originOf(below, 'a.b')).toBe(low)
  })

  test('a key that no environment has does not compile', () => {
    const parts: readonly EnvironmentPart[] = [
      { agent: { replicas: 3 }, consensus: null },
      // @ts-expect-error it is `replicas`
      { agent: { replicsa: 3 } },
      // @ts-expect-error a number, not its text
      { agent: { replicas: '3' } },
      // @ts-expect-error there must be an agent
      { agent: null },
    ]
    expect(parts).toHaveLength(4)
  })

  test('fails if there are more than three, with the file of the fourth', () => {
    expect(layers({ a: 1 }, { a: 2 }, { a: 3 }).depth).toBe(3)
    expect(() => layers({ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 })).toThrow(
      'environments/higher.ts: expected at most 3 layers, got 4; merge two of environments/',
    )
  })
})

describe('plain data', () => {
  class Replicas {
    readonly count = 3
  }

  test.each([
    ['a function', () => 3, 'function'],
    ['an instance of a class', new Replicas(), 'an object with behaviour'],
    ['a date', new Date(0), 'an object with behaviour'],
    ['a map', new Map(), 'an object with behaviour'],
    ['a symbol', Symbol('three'), 'symbol'],
    ['a big integer', 3n, 'bigint'],
    ['no number', Number.NaN, 'NaN'],
    ['infinity', Number.POSITIVE_INFINITY, 'Infinity'],
  ])('fails if a value is %s', (_, value, received) => {
    const at = (path: string) => `${path}: expected plain data, got ${received}; write the value itself (${low})`
    expect(() => layers({ agent: { replicas: value } })).toThrow(at('agent.replicas'))
    expect(() => layers({ cluster: { zones: ['a', value] } })).toThrow(at('cluster.zones[1]'))
  })
})

describe('the origin of a value', () => {
  test('is the uppermost file that wrote it', () => {
    const merged = layers({ a: 1, b: { c: 2, d: 3 }, e: [1] }, { b: { d: 4 } }, { b: { f: 5 }, e: [2] })
    expect(Object.fromEntries(merged.origins)).toEqual({ a: low, 'b.c': low, 'b.d': middle, 'b.f': high, e: high })
    expect(merged.file).toBe(high)
  })

  test('of what was replaced is forgotten', () => {
    expect(Object.fromEntries(layers({ a: { b: { c: 1 } } }, { a: null }).origins)).toEqual({ a: middle })
    expect(Object.fromEntries(layers({ a: null }, { a: { b: 1 } }).origins)).toEqual({ 'a.b': middle })
    expect(Object.fromEntries(layers({ a: {} }, { a: { b: 1 } }).origins)).toEqual({ 'a.b': middle })
    expect(Object.fromEntries(layers({ a: { b: 1 } }, { a: {} }).origins)).toEqual({ 'a.b': low })
    expect(Object.fromEntries(layers({ a: { b: 1 }, ab: 1 }, { a: [] }).origins)).toEqual({ a: middle, ab: low })
  })

  test('of an object is the file of the first that it holds, of an entry that of its list', () => {
    const merged = layers({ a: { b: 1 }, c: [{ d: 1 }] }, { a: { e: 2 } })
    expect(originOf(merged, 'a')).toBe(low)
    expect(originOf(merged, 'c.0')).toBe(low)
    expect(originOf(merged, 'c.0.d')).toBe(low)
  })

  test('is `default` for what nobody wrote, also inside of what was switched on', () => {
    const merged = layers({ a: { b: 1 }, c: {}, d: null })
    for (const path of ['e', 'a.e', 'a.b2', 'c.e', '']) expect(originOf(merged, path)).toBe('default')
    expect(originOf(merged, 'c')).toBe(low)
    expect(originOf(merged, 'd')).toBe(low)
  })

  test.each(environments.map((environment) => [nameOf(environment), environment] as const))(
    'every leaf of %s has exactly one, and nothing else has',
    (_, environment) => {
      expect([...environment.origins.keys()].toSorted()).toEqual(leaves(environment.values).toSorted())
      for (const file of environment.origins.values()) expect(file).toMatch(/^environments\/[-a-z0-9]+\.ts$/)
    },
  )
})
