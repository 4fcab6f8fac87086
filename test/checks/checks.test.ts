import { expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { checks } from '../../lib/checks/index.ts'
import { correctEnvironment, found } from './fixtures.ts'

test('a correct environment has no problem', () => {
  expect(checks.flatMap((check) => found(check, correctEnvironment()))).toEqual([])
})

test('every rule that has a file runs', () => {
  const folder = new URL('../../lib/checks/', import.meta.url)
  const rules = readdirSync(folder).filter((file) =>
    /export const \w+: Check = /.test(readFileSync(new URL(file, folder), 'utf8')),
  )
  expect(checks).toHaveLength(rules.length)
  expect(new Set(checks).size).toBe(rules.length)
})
