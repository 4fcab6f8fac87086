import type { Transaction } from './key-value.ts'
import { keyOf } from './transaction-size.ts'

/** The keys of a transaction. */
export interface TouchedKeys {
  /** Compared or read. */
  readonly read: readonly string[]
  readonly written: readonly string[]
  /** Whether it reads, compares or deletes whole ranges: then it may touch any key. */
  readonly hasRanges: boolean
}

/** Which keys a transaction reads and writes, whichever of its branches is taken. */
export function touchedKeys({ when, then, otherwise = [] }: Transaction): TouchedKeys {
  const read: string[] = []
  const written: string[] = []
  let hasRanges = false
  for (const compare of when) {
    if ('empty' in compare) hasRanges = true
    else read.push(compare.key)
  }
  for (const operation of [...then, ...otherwise]) {
    if ('count' in operation || ('prefix' in operation && operation.prefix)) hasRanges = true
    else if ('get' in operation) read.push(operation.get)
    else written.push(keyOf(operation))
  }
  return { read, written, hasRanges }
}

/** The keys of several transactions that happen at once, and who may be among them. */
export class KeysAtOnce {
  readonly #read = new Set<string>()
  readonly #written = new Set<string>()

  /** Adds those of another one, unless it touches what one of the others writes, or the reverse. @returns whether */
  add({ read, written }: TouchedKeys): boolean {
    if (read.some((key) => this.#written.has(key))) return false
    if (written.some((key) => this.#written.has(key) || this.#read.has(key))) return false
    for (const key of read) this.#read.add(key)
    for (const key of written) this.#written.add(key)
    return true
  }
}
