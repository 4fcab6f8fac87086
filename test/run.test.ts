import { describe, expect, test } from '@jest/globals'
import { parseArguments } from './arguments.ts'
import { table, type Result } from './results.ts'

describe('the command line of the tests', () => {
  test('means every level where none is named', () => {
    const { levels, isExplicit, jestArguments } = parseArguments(['test/agent', '-t', 'lease'])
    expect(levels).toEqual(['unit', 'api', 'nodes', 'oldest'])
    expect(isExplicit).toBe(false)
    expect(jestArguments).toEqual(['test/agent', '-t', 'lease'])
  })

  test('runs named levels in their order, quick ones first', () => {
    expect(parseArguments(['--level', 'nodes,unit']).levels).toEqual(['unit', 'nodes'])
    expect(parseArguments(['--level=api', '--kubeconfig=/a=b'])).toMatchObject({ levels: ['api'], kubeconfig: '/a=b' })
  })

  test('fails for a level that does not exist, and for a missing value', () => {
    expect(() => parseArguments(['--level', 'e2e'])).toThrow("expected some of unit, api, nodes, oldest, got 'e2e'")
    expect(() => parseArguments(['--kubeconfig'])).toThrow('--kubeconfig: a value is missing')
  })
})

test('the table says of each level whether it ran, or why not', () => {
  const ran: Result = {
    level: 'unit',
    ran: true,
    why: '',
    passed: 12,
    failed: 0,
    stages: [{ name: 'tests', seconds: 1 }],
  }
  const not: Result = { level: 'nodes', ran: false, why: 'needs root', passed: 0, failed: 0, stages: [] }
  expect(table([ran, not]).split('\n')).toEqual([
    'level           passed  failed',
    'unit   run      12      0       tests 1.0 s',
    'nodes  not run  0       0       needs root',
  ])
})
