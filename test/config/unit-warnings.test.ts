import type { Problem } from '@regent/contract/problem.ts'
import { describe, expect, test } from '@jest/globals'
import { parsed } from './sample.ts'

const file = 'environments/sample.ts'

function problem(part: unknown): Problem {
  const { problems } = parsed(part)
  expect(problems).toHaveLength(1)
  return problems[0] as Problem
}

describe('units', () => {
  test('a decimal unit is a warning that names both', () => {
    const { environment, problems } = parsed({ agent: { sessions: { maxMemory: '500M' } } })
    expect(environment?.agent.sessions.maxMemory).toBe('500M')
    expect(problems).toEqual([
      {
        path: 'sample.agent.sessions.maxMemory',
        received: '"500M" (500000000 bytes)',
        expected: 'a binary unit such as "500Mi" (524288000 bytes)',
        fix: 'write "500Mi" unless the decimal unit is meant',
        severity: 'warning',
        source: file,
      },
    ])
  })

  test.each([
    ['1k', '1Ki', 1000, 1024],
    ['2G', '2Gi', 2e9, 2 ** 31],
    ['1T', '1Ti', 1e12, 2 ** 40],
  ])('%s', (received, meant, decimal, binary) => {
    expect(problem({ foundation: { quota: { memory: received } } })).toMatchObject({
      received: `"${received}" (${decimal} bytes)`,
      expected: `a binary unit such as "${meant}" (${binary} bytes)`,
    })
  })

  test.each(['500Mi', '8Gi', '1Ti', '64Ki'])('%s is no warning', (maxMemory) => {
    expect(parsed({ agent: { sessions: { maxMemory } } }).problems).toEqual([])
  })

  test('warnings are reported together with the errors', () => {
    const { problems } = parsed({ agent: { replicas: 99, sessions: { maxMemory: '8G' } } })
    expect(problems.map(({ severity }) => severity).toSorted()).toEqual(['error', 'warning'])
  })
})
