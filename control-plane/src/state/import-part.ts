import { type importedPart, mostStateProblems } from '@regent/contract/api.ts'
import { nextChecksum } from '@regent/contract/state-file.ts'
import type { z } from 'zod'
import { largestValueBytes } from '../store/store.ts'
import type { ImportLock } from './import-records.ts'
import { batchesOf, type ImportPut, type ImportTerms, putsOf } from './import-writes.ts'
import { readEntry, type StateEntry } from './state-entries.ts'
import { misplaced, placeOf } from './state-order.ts'

type LineProblem = z.infer<typeof importedPart>['problems'][number]

/** What the lines of a part come to. */
export interface ReadPart {
  /** What is written, one transaction each; nothing where anything of the state is wrong. */
  readonly batches: readonly (readonly ImportPut[])[]
  /** The lock once the part is taken. */
  readonly next: ImportLock
}

/** Reads the lines that follow those that were taken. Everything that is wrong is found, until there is too much. */
export function readPart(lock: ImportLock, lines: readonly string[], terms: ImportTerms): ReadPart {
  const problems: LineProblem[] = []
  const accepted: { readonly entry: StateEntry; readonly puts: readonly ImportPut[] }[] = []
  const seen = new Set<string>()
  let { checksum, last } = lock
  for (const [index, line] of lines.entries()) {
    checksum = nextChecksum(checksum, line)
    const read = readEntry(line)
    let problem = 'problem' in read ? read.problem : misplaced(read.entry, last)
    if (!('problem' in read)) {
      const puts = putsIn(read.entry, terms)
      problem ??= wrongWith(puts, seen)
      if (problem === undefined) last = placeOf(read.entry)
      accepted.push({ entry: read.entry, puts })
    }
    // The header is line 1.
    if (problem !== undefined) problems.push({ line: lock.entries + index + 2, message: problem })
  }
  const told = problems.slice(0, Math.max(0, mostStateProblems - lock.problems))
  const isSound = lock.problems + problems.length === 0
  return {
    batches: isSound ? batchesOf(accepted) : [],
    next: {
      ...lock,
      nextPart: lock.nextPart + 1,
      entries: lock.entries + lines.length,
      checksum,
      ...(last !== undefined && { last }),
      problems: lock.problems + problems.length,
      lastPart: { checksum: lock.checksum, problems: told },
    },
  }
}

/** What is written, or the name of what is no id. */
function putsIn(entry: StateEntry, terms: ImportTerms): readonly ImportPut[] {
  try {
    return putsOf(entry, terms)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return []
  }
}

function wrongWith(puts: readonly ImportPut[], seen: Set<string>): string | undefined {
  if (puts.length === 0) return 'it has an id that is none'
  for (const { put, value } of puts) {
    const bytes = Buffer.byteLength(value)
    if (bytes > largestValueBytes) return `expected a record of at most ${largestValueBytes} bytes, got ${bytes}`
    if (seen.has(put)) return 'it is there twice'
    seen.add(put)
  }
  return undefined
}
