/** Fields of the header of a 64-bit ELF file, by their offset in bytes. */
const fileHeader = {
  programs: 0x20,
  sections: 0x28,
  programSize: 0x36,
  programCount: 0x38,
  sectionSize: 0x3a,
  sectionCount: 0x3c,
  sectionOfNames: 0x3e,
}
const sectionHeaderBytes = 64
const programHeaderBytes = 56
/** Flag of a section that the running program has in memory. */
const allocated = 2n

/**
 * A program without its symbols and debugging sections, as `strip` leaves it: a fifth of Node. Written here because
 * `strip` knows one architecture, and another version of it gives other bytes; this gives the same on every machine.
 *
 * Section headers keep their numbers, those of what was left out become empty, so that nothing has to be renumbered.
 * What is loaded is not changed.
 *
 * @throws when the file is no 64-bit little-endian ELF file, or loads what it does not hold
 */
export function stripped(program: Buffer): Buffer {
  if (program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2 || program[5] !== 1) {
    throw new Error(
      `expected a 64-bit little-endian ELF file, got one that begins with ${program.toString('hex', 0, 6)}`,
    )
  }
  const loaded = endOfSegments(program)
  const names = program.readUInt16LE(fileHeader.sectionOfNames)
  const headers = Buffer.from(sectionHeaders(program))
  const nameTable = contentOf(program, headers, names)

  const namesAt = loaded
  const headersAt = align(namesAt + nameTable.length)
  for (let at = 0, index = 0; at < headers.length; at += sectionHeaderBytes, index++) {
    if (index === names) headers.writeBigUInt64LE(BigInt(namesAt), at + 0x18)
    else if ((headers.readBigUInt64LE(at + 0x08) & allocated) === 0n) headers.fill(0, at, at + sectionHeaderBytes)
  }
  const result = Buffer.alloc(headersAt + headers.length)
  program.copy(result, 0, 0, loaded)
  nameTable.copy(result, namesAt)
  headers.copy(result, headersAt)
  result.writeBigUInt64LE(BigInt(headersAt), fileHeader.sections)
  return result
}

function endOfSegments(program: Buffer): number {
  const at = Number(program.readBigUInt64LE(fileHeader.programs))
  const count = program.readUInt16LE(fileHeader.programCount)
  if (count === 0 || program.readUInt16LE(fileHeader.programSize) !== programHeaderBytes) {
    throw new Error(`expected a program with segments, got ${count} of them`)
  }
  const headersEnd = at + count * programHeaderBytes
  if (headersEnd > program.length) {
    throw new Error(`expected ${headersEnd} bytes that are loaded, got ${program.length}: cut off?`)
  }
  const ends = Array.from({ length: count }, (_, index) => {
    const header = at + index * programHeaderBytes
    return Number(program.readBigUInt64LE(header + 0x08) + program.readBigUInt64LE(header + 0x20))
  })
  const end = Math.max(headersEnd, ...ends)
  if (end > program.length) throw new Error(`expected ${end} bytes that are loaded, got ${program.length}: cut off?`)
  return end
}

function sectionHeaders(program: Buffer): Buffer {
  const at = Number(program.readBigUInt64LE(fileHeader.sections))
  const length = program.readUInt16LE(fileHeader.sectionCount) * sectionHeaderBytes
  if (length === 0 || program.readUInt16LE(fileHeader.sectionSize) !== sectionHeaderBytes) {
    throw new Error('expected a program with section headers, got none: it is stripped beyond what this understands')
  }
  if (at + length > program.length) {
    throw new Error(`expected ${at + length} bytes with the section headers, got ${program.length}: cut off?`)
  }
  return program.subarray(at, at + length)
}

function contentOf(program: Buffer, headers: Buffer, index: number): Buffer {
  const header = index * sectionHeaderBytes
  const at = Number(headers.readBigUInt64LE(header + 0x18))
  return program.subarray(at, at + Number(headers.readBigUInt64LE(header + 0x20)))
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8
}
