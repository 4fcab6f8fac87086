import { expect, test } from '@jest/globals'
import { scaled } from '../../lib/checks/int-or-percent.ts'

test.each([
  [2, 5, 'up', 2],
  ['25%', 3, 'up', 1],
  ['25%', 3, 'down', 0],
  ['100%', 3, 'up', 3],
  ['0%', 3, 'up', 0],
] as const)('%s of %i, rounded %s, is %i', (value, total, round, result) => {
  expect(scaled(value, total, round)).toBe(result)
})

test.each(['25', 'all', '-5%', '2.5%'])('refuses "%s"', (value) => {
  expect(() => scaled(value, 3, 'up')).toThrow(`expected a number or a percentage such as "25%", got "${value}"`)
})
