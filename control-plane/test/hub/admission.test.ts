import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { admit, type Leadership } from '../../src/hub/admission.ts'

const fence: Leadership = { lineage: 'a', epoch: 10n, holder: 'pod-0_uid_boot' }

test.each([
  ['the first leadership that is seen', undefined, fence, { admitted: true, as: 'first' }],
  ['a higher epoch', fence, { ...fence, epoch: 11n, holder: 'pod-1_uid_boot' }, { admitted: true, as: 'newer' }],
  ['a higher epoch of the same holder', fence, { ...fence, epoch: 11n }, { admitted: true, as: 'newer' }],
  ['the same leadership again', fence, fence, { admitted: true, as: 'again' }],
] as const)('%s is admitted', (_, stored, presented, expected) => expect(admit(stored, presented)).toEqual(expected))

test.each([
  ['a lower epoch', { ...fence, epoch: 9n }, 'older'],
  ['the same epoch of another holder', { ...fence, holder: 'pod-1_uid_boot' }, 'other-holder'],
  ['a higher epoch of another lineage', { ...fence, lineage: 'b', epoch: 11n }, 'other-lineage'],
] as const)('%s is refused', (_, presented, because) =>
  expect(admit(fence, presented)).toEqual({ admitted: false, because }),
)

test('whatever comes in whatever order, the epoch of a lineage never goes back', () => {
  const leadership = fc.record({
    lineage: fc.constantFrom('a', 'b'),
    epoch: fc.bigInt({ min: 1n, max: 40n }),
    holder: fc.constantFrom('x', 'y', 'z'),
  })
  fc.assert(
    fc.property(fc.array(leadership, { maxLength: 60 }), (presented) => {
      let stored: Leadership | undefined
      for (const one of presented) {
        if (!admit(stored, one).admitted) continue
        if (stored !== undefined) {
          expect(one.lineage).toBe(stored.lineage)
          expect(one.epoch).toBeGreaterThanOrEqual(stored.epoch)
          if (one.epoch === stored.epoch) expect(one.holder).toBe(stored.holder)
        }
        stored = one
      }
    }),
  )
})
