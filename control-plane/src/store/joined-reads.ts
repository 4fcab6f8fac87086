import type { KeyValue } from './key-value.ts'

/** What a read of one key found, and the revision at which it was read. */
export interface ReadKey {
  readonly found: KeyValue | undefined
  readonly revision: bigint
}

/** Reads several keys at one revision, each once. @returns what was found, in their order */
export type ReadKeys = (
  keys: readonly string[],
) => Promise<{ readonly found: readonly (KeyValue | undefined)[]; readonly revision: bigint }>

/** Most keys of one read: all values as large as they may be fit into one answer. */
const MOST_KEYS = 32

interface Waiting {
  readonly resolve: (read: ReadKey) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads of single keys. Those that come while another is under way are read together: etcd is asked as often as it
 * answers, however many ask us.
 *
 * Guaranteed: each is read after it was asked for, so that it sees all that was written before.
 */
export class JoinedReads {
  readonly #read: ReadKeys
  /** By key, those that wait for it, in the order in which they came. */
  readonly #waiting = new Map<string, Waiting[]>()
  #isReading = false

  constructor(read: ReadKeys) {
    this.#read = read
  }

  /** Reads a key. @throws what reading throws, as all throw that were read together */
  async get(key: string): Promise<ReadKey> {
    return await new Promise((resolve, reject) => {
      const others = this.#waiting.get(key)
      if (others === undefined) this.#waiting.set(key, [{ resolve, reject }])
      else others.push({ resolve, reject })
      if (!this.#isReading) void this.#readAll()
    })
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, MOST_KEYS)
      for (const [key] of batch) this.#waiting.delete(key)
      try {
        const { found, revision } = await this.#read(batch.map(([key]) => key))
        batch.forEach(([, waiting], index) => {
          for (const { resolve } of waiting) resolve({ found: found[index], revision })
        })
      } catch (error) {
        for (const [, waiting] of batch) for (const { reject } of waiting) reject(error)
      }
    }
    this.#isReading = false
  }
}
