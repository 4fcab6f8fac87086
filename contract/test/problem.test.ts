import { describe, expect, test } from '@jest/globals'
import { describeProblem, printed, type Problem } from '../problem.ts'

const problem: Problem = {
  path: 'production.agent.replicas',
  received: '4',
  expected: 'an odd number from 3 to 11',
  fix: 'use 3 or 5',
  severity: 'error',
}

describe('a problem in one line', () => {
  test('path, expected, received and the way out', () => {
    expect(describeProblem(problem)).toBe(
      'production.agent.replicas: expected an odd number from 3 to 11, got 4; use 3 or 5',
    )
  })

  test('with the file that the value comes from', () => {
    expect(describeProblem({ ...problem, source: 'environments/production.ts' })).toMatch(
      /; use 3 or 5 \(environments\/production\.ts\)$/,
    )
  })
})

describe('a printed value', () => {
  test.each([
    [undefined, 'nothing'],
    [null, 'null'],
    [4, '4'],
    ['four', '"four"'],
    ['two\nlines', String.raw`"two\nlines"`],
    [[1, 'a'], '[1,"a"]'],
  ])('%j', (value, text) => {
    expect(printed(value)).toBe(text)
  })

  test('is cut after 80 characters', () => {
    expect(printed('a'.repeat(78))).toHaveLength(80)
    expect(printed('a'.repeat(79))).toBe(`"${'a'.repeat(79)}…`)
    expect(printed('a'.repeat(5000))).toHaveLength(81)
  })
})
