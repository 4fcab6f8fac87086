import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type * as z from 'zod/mini'
import { agentMessage, controlPlaneMessage, largestMessageBytes } from '../messages.ts'
import { acceptedBy, anyJson, unknownName } from './support/accepted-by.ts'
import { damagedJson, damagedText } from './support/damaged.ts'
import { refusedBy } from './support/refused-by.ts'
import { withFields, withoutUnknown } from './support/wire-objects.ts'

// What holds of every message, made from the schemas themselves: a new message is among them, and one with a field of a
// kind for which no values are made fails here. A failure prints its seed: give it to `fc.assert` to see it again.

/** What reading the largest message may take on a machine that has other things to do, in milliseconds. */
const longestMs = 2000

const sides = { agent: agentMessage, 'control plane': controlPlaneMessage } as const
const messages = Object.entries(sides).flatMap(([side, schema]) =>
  schema.def.options.map(
    (option) => [`${[...option.shape.type.def.values].join()} of the ${side}`, schema, option] as const,
  ),
)

/** What a message is after it went over the wire. */
const sent = (message: unknown): unknown => JSON.parse(JSON.stringify(message))

function pathsOf(error: z.core.$ZodError): readonly string[] {
  return sorted(error.issues.map(({ path }) => path))
}

function sorted(paths: readonly (readonly PropertyKey[])[]): readonly string[] {
  return [...new Set(paths.map((path) => JSON.stringify(path)))].sort()
}

describe.each(messages)('any %s', (_, schema, message) => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(acceptedBy(message), (written) => {
        expect(schema.parse(sent(written))).toEqual(written)
      }),
    )
  })

  test('may say more than this version knows, in every object: nothing of that comes through', () => {
    const more = fc.array(fc.tuple(unknownName, anyJson), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(acceptedBy(message), more, (written, added) => {
        const newer = withFields(message, written, new Map(added))
        expect(schema.parse(sent(newer))).toEqual(written)
      }),
    )
  })

  test('fails if anything of it is wrong, and everything that is wrong is named', () => {
    fc.assert(
      fc.property(refusedBy(message), ({ value, paths }) => {
        const read = schema.safeParse(sent(value))
        // Without its type it is no message of any kind, and nothing else is looked at.
        const hasType = !paths.some(([first]) => first === undefined || first === 'type')
        expect(read.error && pathsOf(read.error)).toEqual(hasType ? sorted(paths) : expect.any(Array))
      }),
    )
  })

  test('is read as it stands, or refused, however it was damaged', () => {
    const whole = acceptedBy(message)
    const texts = fc.oneof(
      damagedJson(whole).map((json) => JSON.stringify(json)),
      damagedText(whole.map((json) => JSON.stringify(json))),
    )
    fc.assert(
      fc.property(texts, (text) => {
        let json: unknown
        try {
          json = JSON.parse(text)
        } catch {
          return
        }
        const read = schema.safeParse(json)
        if (!read.success) return
        const options = schema.def.options.filter((option) =>
          option.shape.type.def.values.some((type) => type === read.data.type),
        )
        expect([read.data]).toEqual(options.map((option) => withoutUnknown(option, json)))
      }),
    )
  })
})

test.each(Object.entries(sides))('what an %s cannot say is refused, whatever its type', (_, schema) => {
  fc.assert(
    fc.property(refusedBy(schema), ({ value }) => {
      expect(schema.safeParse(sent(value)).success).toBe(false)
    }),
    { numRuns: 300 },
  )
})

describe('the largest message', () => {
  const register = {
    ...{ type: 'register', protocolVersion: 1, features: [], agentId: 'a', lineage: 'a', epoch: '1', holder: 'a' },
    ...{ region: 'a', capacity: { maxSessions: 1, cpu: '1', memory: '1' } },
  }
  const filledBy = (field: string, begin: string, item: (index: number) => string, end: string): string => {
    const rest = JSON.stringify({ ...register, [field]: undefined }).slice(0, -1)
    const items: string[] = []
    for (let [bytes, index] = [rest.length + 100, 0]; bytes < largestMessageBytes; index += 1) {
      const next = item(index)
      items.push(next)
      bytes += next.length + 1
    }
    return `${rest},"${field}":${begin}${items.join(',')}${end}}`
  }
  const half = Math.floor(largestMessageBytes / 2) - 200
  const deep = `${'['.repeat(half)}${']'.repeat(half)}`

  test.each([
    ['wrong items', filledBy('features', '[', () => '0', ']'), false],
    ['empty items', filledBy('features', '[', () => '""', ']'), false],
    ['unknown fields', filledBy('added', '{', (index) => `"${index.toString(36)}":0`, '}'), true],
    ['unknown fields in its own object', filledBy('added', '0,', (index) => `"${index.toString(36)}":0`, ''), true],
    ['the same field again', filledBy('added', '0,', () => '"a":0', ''), true],
    ['an unknown field without an end of depth', `${JSON.stringify(register).slice(0, -1)},"added":${deep}}`, true],
    ['digits of an epoch', JSON.stringify({ ...register, epoch: '9'.repeat(2 * half) }), false],
    ['a name that almost fits', JSON.stringify({ ...register, agentId: 'a-'.repeat(half) }), false],
    ['a type', JSON.stringify({ ...register, type: 'x'.repeat(2 * half) }), false],
    ['a result without an end of depth', `{"type":"done","commandId":"a","result":${deep}}`, false],
    ['a result of many fields', `{"type":"done","commandId":"a","result":[${'{},'.repeat(half / 2)}0]}`, true],
  ])('of nothing but %s is read or refused in bounded time', (_, text, isMessage) => {
    const beganMs = performance.now()
    expect(agentMessage.safeParse(JSON.parse(text)).success).toBe(isMessage)
    expect(performance.now() - beganMs).toBeLessThan(longestMs)
  })
})
