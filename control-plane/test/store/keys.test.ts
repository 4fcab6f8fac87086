import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { etcdKeyPrefix } from '@regent/contract/names.ts'
import { agentIdOf, idOf, keys, prefixes } from '../../src/store/keys.ts'

/** Every way to a key, given one id for each part of it. */
const oneId: readonly (readonly [string, (id: string) => string])[] = [
  ['agent', keys.agent],
  ['status', keys.status],
  ['fence', keys.fence],
  ['connection', keys.connection],
  ['pod', keys.pod],
  ['agent key', (id) => keys.agentKey(id, id)],
  ['token', keys.token],
  ['open command', (id) => keys.openCommand(id, id)],
  ['done command', (id) => keys.doneCommand(id, id)],
  ['payload', (id) => keys.commandPayload(id, id)],
  ['idempotency', keys.idempotency],
  ['keys of an agent', prefixes.agentKeys],
  ['open commands', prefixes.openCommands],
  ['done commands', prefixes.doneCommands],
]

describe.each(oneId)('the key of: %s', (_, build) => {
  test('fails if a part is no id', () => {
    for (const id of ['', 'a/b', '../a', 'a/', '/', 'ä', 'a b', 'a\0', 'a\n', '.', 'a'.repeat(129), '-a/../b']) {
      expect(() => build(id)).toThrow(TypeError)
    }
  })

  test('has as many parts for every id, or refuses it', () => {
    const parts = build('a').split('/').length
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[-a-z0-9/._]*$/)), (id) => {
        let key: string
        try {
          key = build(id)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          return
        }
        expect(key.split('/')).toHaveLength(parts)
        expect(key).toContain(id)
      }),
    )
  })
})

test('fails if an id of an agent is one of a command only', () => {
  expect(keys.openCommand('agent', 'Up_and-down')).toBe('/regent/v1/commands/open/agent/Up_and-down')
  expect(() => keys.openCommand('Up_and-down', 'a')).toThrow(/agentId: .*"Up_and-down"/)
  expect(() => keys.openCommand('agent', 'a'.repeat(65))).toThrow(/commandId: expected 1 to 64/)
})

test('no key or prefix is the beginning of another', () => {
  const all = oneId.map(([, build]) => build('a'))
  const beginnings = all.flatMap((key) =>
    all.filter((other) => other !== key && other.startsWith(key) && !key.endsWith('/')),
  )
  expect(beginnings).toEqual([])
  const lists = [
    prefixes.agents,
    prefixes.statuses,
    prefixes.fences,
    prefixes.connections,
    prefixes.pods,
    prefixes.tokens,
  ]
  expect([...lists, prefixes.everything, prefixes.openCommands('a')].every((prefix) => prefix.endsWith('/'))).toBe(true)
  expect(all.every((key) => key.startsWith(etcdKeyPrefix))).toBe(true)
})

test('the ids of a key are found again', () => {
  expect(idOf(keys.agent('some-agent'))).toBe('some-agent')
  expect(idOf(keys.openCommand('some-agent', 'C_1'))).toBe('C_1')
  expect(agentIdOf(keys.openCommand('some-agent', 'C_1'))).toBe('some-agent')
})
