import { expect, test } from '@jest/globals'
import { commandId } from '@regent/contract/api.ts'
import { CommandIds } from '../../src/commands/command-ids.ts'

test('ids are unique and in the order in which they were made, also when the clock is set back', () => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  const ids = new CommandIds(() => nowMs)
  const made = Array.from({ length: 3000 }, (_, index) => {
    if (index === 1000) nowMs -= 3_600_000
    if (index === 2000) nowMs += 7_200_000
    return ids.next()
  })
  expect(made).toEqual([...new Set(made)].sort())
  expect(made.every((id) => commandId.safeParse(id).success)).toBe(true)
})

test('more ids than a millisecond has go on in the next one', () => {
  const ids = new CommandIds(() => 0)
  const made = Array.from({ length: 36 ** 3 + 2 }, () => ids.next())
  expect(made.slice(-3)).toEqual(made.slice(-3).sort())
  expect(made.at(-1)?.startsWith('000000001')).toBe(true)
})

test('two processes make different ids at the same moment', () => {
  expect(new CommandIds(() => 5).next()).not.toBe(new CommandIds(() => 5).next())
})
