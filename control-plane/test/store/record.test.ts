import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { UnreadableRecord } from '../../src/store/errors.ts'
import { record } from '../../src/store/record.ts'

const pet = record(z.object({ name: z.string(), legs: z.int().optional() }))
const stored = (value: string, key = '/regent/v1/pets/a') => ({ key, value: Buffer.from(value) })

describe('a record', () => {
  test('is read as it was written', () => {
    const value = { name: 'Züleyha', legs: 4 }
    expect(pet.parse(stored(pet.serialize(value)))).toEqual(value)
    expect(JSON.parse(pet.serialize({ name: 'a' }))).toEqual({ schema: 1, name: 'a' })
  })

  test('is read from the middle of a larger buffer', () => {
    const text = pet.serialize({ name: 'a' })
    const large = Buffer.from(`xxx${text}yyy`)
    expect(pet.parse({ key: 'k', value: large.subarray(3, 3 + text.length) })).toEqual({ name: 'a' })
  })

  test('tells nothing that its kind does not have', () => {
    const read = pet.parse(stored('{"schema":1,"name":"a","colour":"red"}'))
    expect(Object.keys(read)).toEqual(['name'])
    expect(JSON.stringify(read)).toBe('{"name":"a"}')
  })

  describe('that a newer pod wrote, changed by this one,', () => {
    const owned = record(
      z.object({ name: z.string(), owner: z.object({ name: z.string() }).optional(), notes: z.json().optional() }),
    )
    const text =
      '{"schema":1,"name":"a","colour":{"rgb":[1,2]},"owner":{"name":"o","since":7},"notes":{"any":{"depth":[{}]}}}'
    const written = (value: ReturnType<typeof owned.parse>): unknown => JSON.parse(owned.serialize(value))

    test('is written with all that it had', () => {
      const { name, ...others } = owned.parse(stored(text))
      expect(written({ ...others, name: `${name}b` })).toEqual({ ...JSON.parse(text), name: 'ab' })
    })

    test('has no field of an object that was put in the place of another', () => {
      const value = owned.parse(stored(text))
      expect(written({ ...value, owner: { name: 'p' } })).toMatchObject({ colour: {}, owner: { name: 'p' } })
      expect(written({ ...value, owner: { name: 'p' } })).not.toHaveProperty('owner.since')
      expect(written({ ...value, owner: undefined })).not.toHaveProperty('owner')
    })

    test('is written where JSON in it names `__proto__`, which is no field', () => {
      const value = owned.parse(stored('{"schema":1,"name":"a","notes":{"__proto__":{"b":1},"any":1}}'))
      expect(written(value)).toEqual({ schema: 1, name: 'a', notes: { any: 1 } })
    })

    test('loses nothing to a field that is known: that is as this one says', () => {
      const value = owned.parse(stored('{"schema":1,"name":"a","__proto__":{"b":1},"owner":{"name":"o"}}'))
      expect(owned.serialize({ ...value, name: 'b' })).toContain('"name":"b"')
      expect(written(value)).not.toHaveProperty('b')
    })
  })

  test.each([
    ['{"schema":2,"name":"a"}', /pets\/a: expected schema 1, got 2; .*update/],
    ['{"name":"a"}', /no schema number/],
    ['[1]', /no schema number/],
    ['null', /no schema number/],
    ['{"schema":1', /no JSON/],
    ['', /no JSON/],
    ['{"schema":1,"legs":"secret"}', /not of its kind: name, legs$/],
  ])('fails if it is %s', (value, problem) => {
    expect(() => pet.parse(stored(value))).toThrow(problem)
    expect(() => pet.parse(stored(value))).toThrow(UnreadableRecord)
    expect(() => pet.parse(stored(value))).not.toThrow(/secret/)
  })

  test('that cannot be read is left out of a list, and told', () => {
    const one = stored(pet.serialize({ name: 'a' }), 'one')
    const list = [one, stored('{"schema":7}', 'two'), stored(pet.serialize({ name: 'c' }), 'three')]
    const { records, unreadable } = pet.parseAll(list)
    expect(records).toMatchObject([{ stored: one, value: { name: 'a' } }, { value: { name: 'c' } }])
    expect(unreadable.map(({ key }) => key)).toEqual(['two'])
  })
})
