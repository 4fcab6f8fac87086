import { createHash } from 'node:crypto'
import { z } from 'zod'

/**
 * The state of a control plane as lines of JSON: a header, an entry for each record, and a trailer, which tells a whole
 * file from one that was cut off. Of each agent all entries are together, and commands that have not ended are in the
 * order in which they were given: order holds among them.
 */

/** The only format so far. A change that an older control plane would misread gets the next number. */
export const stateFormat = 1
export const stateMediaType = 'application/x-ndjson'
/** Longest header and trailer, in characters. */
export const longestFrameLine = 4096

const checksum = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().min(0)

/** The first line. Fields that a newer control plane adds without another format are ignored. */
export const stateHeader = z.object({
  kind: z.literal('regent-state'),
  format: z.literal(stateFormat),
  exportedAt: z.iso.datetime(),
  /** URL of the control plane that it is of. */
  from: z.string().max(2048),
  /** The revision of the store at which everything was read. */
  revision: z.string().regex(/^[0-9]{1,20}$/),
  /** How many keys the store had of each kind: about so much is to be expected. */
  expected: z.record(z.string().max(64), count),
})
export type StateHeader = z.infer<typeof stateHeader>

/** The last line. */
export const stateTrailer = z.object({
  kind: z.literal('end'),
  /** Lines between the first and the last. */
  entries: count,
  /** Of all lines before this one: {@link checksumOf} the header, then {@link nextChecksum} for each. */
  checksum,
  /** Records that could not be read, and are not in here; the log of the control plane names them. */
  leftOut: count,
})
export type StateTrailer = z.infer<typeof stateTrailer>

/** Instead of the last line: the export could not go on, and what came before is not whole. */
export const stateAborted = z.object({ kind: z.literal('aborted'), detail: z.string() })

/** The checksum of a first line. */
export function checksumOf(header: string): string {
  return createHash('sha256').update(header, 'utf8').digest('hex')
}

/** The checksum with one line more: a chain, so that whoever continues needs only the last link. */
export function nextChecksum(before: string, line: string): string {
  return createHash('sha256').update(`${before}\n`, 'utf8').update(line, 'utf8').digest('hex')
}

/** What a header line is: it, or in words why it cannot be imported here. */
export function readStateHeader(line: string): { readonly header: StateHeader } | { readonly problem: string } {
  const json = jsonOf(line)
  const format = z.object({ kind: z.literal('regent-state'), format: z.int() }).safeParse(json)
  if (!format.success) return { problem: 'expected the header of an exported state; this is no such file' }
  if (format.data.format > stateFormat) {
    return {
      problem: `expected format ${stateFormat}, got ${format.data.format}: a newer Regent wrote it; update this one first`,
    }
  }
  const header = stateHeader.safeParse(json)
  return header.success ? { header: header.data } : { problem: `the header is damaged: ${fieldsOf(header.error)}` }
}

/** What a last line is: the trailer, or in words why there is none. */
export function readStateTrailer(line: string): { readonly trailer: StateTrailer } | { readonly problem: string } {
  const json = jsonOf(line)
  const aborted = stateAborted.safeParse(json)
  if (aborted.success) return { problem: `the export was not finished: ${aborted.data.detail}` }
  const trailer = stateTrailer.safeParse(json)
  return trailer.success ? { trailer: trailer.data } : { problem: 'the last line is no trailer: the file was cut off' }
}

function fieldsOf(error: z.ZodError): string {
  return [...new Set(error.issues.map(({ path }) => path.join('.') || 'it'))].slice(0, 10).join(', ')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
