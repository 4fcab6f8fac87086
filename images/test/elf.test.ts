import { describe, expect, test } from '@jest/globals'
import { stripped } from '../elf.ts'

const names = Buffer.from('\0.text\0.symtab\0.shstrtab\0')
const code = Buffer.from('code that is loaded')
const symbols = Buffer.alloc(4096, 'symbol')

/** A program with one segment, and sections: none, code, symbols, names. */
function program(change: (file: Buffer) => void = () => undefined): Buffer {
  const codeAt = 0x40 + 56
  const symbolsAt = codeAt + code.length
  const namesAt = symbolsAt + symbols.length
  const sectionsAt = namesAt + names.length
  const file = Buffer.alloc(sectionsAt + 4 * 64)
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1')
  file.writeBigUInt64LE(0x40n, 0x20)
  file.writeBigUInt64LE(BigInt(sectionsAt), 0x28)
  for (const [value, at] of [
    [56, 0x36],
    [1, 0x38],
    [64, 0x3a],
    [4, 0x3c],
    [3, 0x3e],
  ] as const) {
    file.writeUInt16LE(value, at)
  }
  file.writeUInt32LE(1, 0x40)
  file.writeBigUInt64LE(BigInt(symbolsAt), 0x40 + 0x20)
  for (const [index, nameAt, flags, at, length] of [
    [1, 1, 6n, codeAt, code.length],
    [2, 7, 0n, symbolsAt, symbols.length],
    [3, 15, 0n, namesAt, names.length],
  ] as const) {
    const header = sectionsAt + index * 64
    file.writeUInt32LE(nameAt, header)
    file.writeUInt32LE(index, header + 4)
    file.writeBigUInt64LE(flags, header + 8)
    file.writeBigUInt64LE(BigInt(at), header + 0x18)
    file.writeBigUInt64LE(BigInt(length), header + 0x20)
  }
  code.copy(file, codeAt)
  symbols.copy(file, symbolsAt)
  names.copy(file, namesAt)
  change(file)
  return file
}

/** Type, flags and content of every section, as another reader would find them. */
function sectionsOf(file: Buffer) {
  const at = Number(file.readBigUInt64LE(0x28))
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const header = at + index * 64
    const from = Number(file.readBigUInt64LE(header + 0x18))
    const content = file.toString('latin1', from, from + Number(file.readBigUInt64LE(header + 0x20)))
    return { type: file.readUInt32LE(header + 4), content }
  })
}

describe('a program without symbols', () => {
  test('keeps what is loaded, and the numbers and names of its sections', () => {
    const result = stripped(program())
    expect(sectionsOf(result)).toEqual([
      { type: 0, content: '' },
      { type: 1, content: code.toString() },
      { type: 0, content: '' },
      { type: 3, content: names.toString('latin1') },
    ])
  })

  test('holds no symbol any more, and has the rest of its header', () => {
    const before = program()
    const result = stripped(before)
    expect(result.includes('symbol'.repeat(10))).toBe(false)
    expect(result.length).toBeLessThan(before.length - symbols.length + 16)
    expect(result.subarray(0, 0x28)).toEqual(before.subarray(0, 0x28))
    expect(result.subarray(0x30, 0x40 + 56)).toEqual(before.subarray(0x30, 0x40 + 56))
  })

  test('is the same when it is stripped again', () => {
    expect(stripped(stripped(program())).equals(stripped(program()))).toBe(true)
  })
})

test.each([
  ['it is no program', () => Buffer.alloc(64, '#!/bin/sh'), /64-bit little-endian ELF file, got one that begins with/],
  ['it is for 32 bits', () => program((file) => file.writeUInt8(1, 4)), /64-bit little-endian/],
  ['it has no segments', () => program((file) => file.writeUInt16LE(0, 0x38)), /a program with segments, got 0/],
  ['it has no sections', () => program((file) => file.writeUInt16LE(0, 0x3c)), /section headers, got none/],
  ['it was cut off', () => program().subarray(0, 80), /that are loaded, got 80/],
  ['its end was cut off', () => program().subarray(0, 200), /the section headers, got 200/],
])('fails if %s', (_, file, expected) => {
  expect(() => stripped(file())).toThrow(expected)
})
