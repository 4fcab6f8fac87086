import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { ScriptedControlPlane } from './scripted-control-plane.ts'
import { jsonLine, printFacts, printJson, tableLines, visible } from '../../cli/print.ts'

// Words of an agent that nobody approved reach the terminal of who lists it.
const hostile = '\u001b[2J\u009b1m\u007f\u202e\u2066\u200b\u2028\n\u{e0041}é \u{1f600}'
const harmless = '\\u001b[2J\\u009b1m\\u007f\\u202e\\u2066\\u200b\\u2028\\u000a\\udb40\\udc41é \u{1f600}'

afterEach(() => {
  jest.restoreAllMocks()
})

function printed(print: () => void): string {
  const log = jest.spyOn(console, 'log').mockImplementation(() => undefined)
  print()
  return log.mock.calls.flat().join('\n')
}

describe('words of others', () => {
  test('are written out where a terminal would obey them, or show them otherwise', () => {
    expect(visible(hostile)).toBe(harmless)
  })

  test('are so in tables, and counted as they are shown', () => {
    expect(tableLines(['A', 'B'], [['\u001b', 'b']])).toEqual(['A       B', '\\u001b  b'])
  })

  test('are so in facts', () => {
    expect(
      printed(() =>
        printFacts([
          ['region', hostile],
          ['none', undefined],
        ]),
      ),
    ).toBe(`region      ${harmless}`)
  })

  test('are so in JSON, which stays the same value', () => {
    const value = { [hostile]: [hostile, 1] }
    const text = printed(() => printJson(value))
    for (const json of [text, jsonLine(value)]) {
      expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expect(JSON.parse(json)).toEqual(value)
    }
    expect(text.split('\n')).toHaveLength(6)
  })
})

test('a stranger that waits to be approved writes nothing to the terminal of who lists it', async () => {
  const since = '2026-05-04T03:02:01.000Z'
  const stranger = { agentId: 'a', approval: 'pending', health: 'online', registeredAt: since, since, region: hostile }
  const plane = new ScriptedControlPlane([], [stranger])
  try {
    for (const json of [[], ['--json']]) {
      const { code, stdout } = await plane.regent('agents', 'list', ...json)
      expect({ code, seen: stdout.includes('\\u009b1m') }).toEqual({ code: 0, seen: true })
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }
  } finally {
    plane.close()
  }
})
