import { describe, expect, test } from '@jest/globals'
import { LineSplitter } from '../../src/election/lines.ts'

describe('lines of a stream', () => {
  const text = 'first\nzweite Zeile mit ä und 🙂\n\nlast\n'
  const bytes = Buffer.from(text)

  test.each([1, 2, 3, 7, 1000])('are the same in chunks of %d bytes', (size) => {
    const splitter = new LineSplitter(100)
    const lines: string[] = []
    for (let start = 0; start < bytes.length; start += size) {
      lines.push(...splitter.push(bytes.subarray(start, start + size)))
    }
    expect(lines).toEqual(text.split('\n').slice(0, -1))
  })

  test('are refused when they grow longer than allowed, also before they end', () => {
    const splitter = new LineSplitter(5)
    expect(splitter.push(Buffer.from('12345\n123'))).toEqual(['12345'])
    expect(() => splitter.push(Buffer.from('456'))).toThrow('a line of more than 5 bytes')
  })
})
