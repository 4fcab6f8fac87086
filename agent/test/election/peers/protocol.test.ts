import { describe, expect, test } from '@jest/globals'
import { answerLine, helloLine, maxLineBytes, parseAnswer, parseHello } from '../../../src/election/peers/protocol.ts'

const hello = { agent: 'a', pod: 'p', podUid: 'u', boot: 'b', ready: true }

describe('a line between peers', () => {
  test('says what was meant', () => {
    expect(parseHello(helloLine(hello))).toEqual(hello)
    expect(parseAnswer(answerLine(hello))).toEqual({ agent: 'a', podUid: 'u', boot: 'b' })
  })

  test('of the longest names that Kubernetes allows fits', () => {
    const longest = { agent: 'a'.repeat(40), pod: 'p'.repeat(253), podUid: 'u'.repeat(36), boot: 'b'.repeat(36) }
    expect(Buffer.byteLength(helloLine({ ...longest, ready: false }))).toBeLessThanOrEqual(maxLineBytes)
  })

  test('may have fields that a later release adds', () => {
    expect(parseHello(JSON.stringify({ v: 1, ...hello, later: { x: 1 } }))).toEqual(hello)
    expect(parseAnswer(JSON.stringify({ v: 1, ...hello, later: 1 }))).toEqual({ agent: 'a', podUid: 'u', boot: 'b' })
  })

  test.each([
    'garbage',
    '',
    'null',
    '[]',
    '"text"',
    JSON.stringify({ v: 2, ...hello }),
    JSON.stringify(hello),
    JSON.stringify({ v: 1, ...hello, podUid: '' }),
    JSON.stringify({ v: 1, ...hello, boot: 7 }),
    JSON.stringify({ v: 1, ...hello, agent: undefined }),
  ])('is nothing when it is no hello and no answer: %s', (line) => {
    expect(parseHello(line)).toBeUndefined()
    expect(parseAnswer(line)).toBeUndefined()
  })

  test.each([{ pod: '' }, { pod: 'p'.repeat(254) }, { ready: 'yes' }])('is no hello with %j', (wrong) => {
    expect(parseHello(JSON.stringify({ v: 1, ...hello, ...wrong }))).toBeUndefined()
  })
})
