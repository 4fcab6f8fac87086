import fc from 'fast-check'
import { anyJson, unknownName } from './accepted-by.ts'

type Damage = 'replaced' | 'left out' | 'added'

/** JSON of which a value anywhere in it was replaced or left out, or a field or an item added. */
export function damagedJson(json: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const damage = fc.constantFrom<Damage>('replaced', 'left out', 'added')
  const steps = fc.array(fc.nat(100), { minLength: 1, maxLength: 5 })
  return fc
    .tuple(json, steps, damage, unknownName, anyJson)
    .map(([value, way, how, name, other]) => damagedAt(value, way, how, [name, other]))
}

function damagedAt(
  value: unknown,
  [step = 0, ...further]: readonly number[],
  how: Damage,
  added: readonly [string, unknown],
): unknown {
  if (typeof value !== 'object' || value === null) return added[1]
  const fields = Object.entries(value).flatMap((field, index, all): readonly (readonly [string, unknown])[] => {
    const [name, inner] = field as [string, unknown]
    if (index !== step % all.length) return [[name, inner]]
    if (further.length > 0) return [[name, damagedAt(inner, further, how, added)]]
    if (how === 'added') return [[name, inner], added]
    return how === 'replaced' ? [[name, added[1]]] : []
  })
  return Array.isArray(value) ? fields.map(([, inner]) => inner) : Object.fromEntries(fields)
}

/** A text that was cut off, of which a part is missing, is there twice, or is something else. */
export function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(
      text,
      fc.nat(),
      fc.nat(),
      fc.constantFrom('cut' as const, 'missing' as const, 'twice' as const, 'other' as const),
      fc.string({ unit: 'binary' }),
    )
    .map(([whole, one, other, how, inserted]) => {
      const [from = 0, to = 0] = [one, other].map((at) => at % (whole.length + 1)).sort((a, b) => a - b)
      if (how === 'cut') return whole.slice(0, from)
      const middle = { missing: '', twice: whole.slice(from, to).repeat(2), other: inserted }[how]
      return whole.slice(0, from) + middle + whole.slice(to)
    })
}
