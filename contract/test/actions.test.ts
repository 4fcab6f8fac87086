import { readdirSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { createCommand } from '../api.ts'
import { actions, unknownAction } from '../actions.ts'

test('every action of the agent is named, and no other', () => {
  const entries = readdirSync(`${import.meta.dirname}/../../agent/src/control-link`, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name.replaceAll('-', '_'))
  expect([...actions].sort()).toEqual(folders.sort())
})

test('every action can be asked for, and none is what the unknown ones are called', () => {
  for (const action of actions) expect(createCommand.safeParse({ action }).success).toBe(true)
  expect(actions).not.toContain(unknownAction)
})
