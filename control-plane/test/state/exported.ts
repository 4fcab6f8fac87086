import { checksumOf, nextChecksum } from '@regent/contract/state-file.ts'

/** A state in parts. */
export interface ExportedText {
  readonly header: string
  readonly entries: readonly string[]
  readonly trailer: string
}

export function linesOf(text: string): ExportedText {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('expected a last line with an end')
  const [header = '', ...entries] = lines
  const trailer = entries.pop() ?? ''
  return { header, entries, trailer }
}

/** A state with other entries, and a trailer that fits them. */
export function withEntries({ header }: ExportedText, entries: readonly string[]): ExportedText {
  const checksum = entries.reduce(nextChecksum, checksumOf(header))
  return {
    header,
    entries,
    trailer: JSON.stringify({ kind: 'end', entries: entries.length, checksum, leftOut: 0 }),
  }
}
