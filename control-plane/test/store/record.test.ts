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

  test('keeps nothing that its kind does not have', () => {
    expect(pet.parse(stored('{"schema":1,"name":"a","colour":"red"}'))).toEqual({ name: 'a' })
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
