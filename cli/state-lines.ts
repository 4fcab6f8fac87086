import { longestStateLine } from '@regent/contract/api.ts'
import {
  checksumOf,
  nextChecksum,
  readStateHeader,
  readStateTrailer,
  type StateTrailer,
} from '@regent/contract/state-file.ts'
import { Refusal } from './errors.ts'

/** The lines of a text, as it comes; none is kept that is longer than a state has. @throws Refusal for one that is */
export async function* linesIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let text = ''
  let number = 1
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
      yield text.slice(0, end)
      text = text.slice(end + 1)
      number += 1
    }
    if (text.length > longestStateLine) throw new Refusal([`error: line ${number} is longer than any line of a state`])
  }
  text += decoder.decode()
  if (text !== '') yield text
}

/** Finds out, line by line, whether a state is whole. */
export class StateCheck {
  #checksum: string | undefined
  /** The last line so far: whether it is the trailer only the end tells. */
  #pending: string | undefined
  #entries = 0

  /** @throws Refusal where the first line is of no state that is known here */
  take(line: string): void {
    if (this.#checksum === undefined) {
      const read = readStateHeader(line)
      if ('problem' in read) throw new Refusal([`error: line 1: ${read.problem}`])
      this.#checksum = checksumOf(line)
      return
    }
    if (this.#pending !== undefined) {
      this.#checksum = nextChecksum(this.#checksum, this.#pending)
      this.#entries += 1
    }
    this.#pending = line
  }

  /** @throws Refusal where the state is not whole */
  end(): StateTrailer {
    const read = readStateTrailer(this.#pending ?? '')
    if ('problem' in read) throw new Refusal([`error: the state is not whole: ${read.problem}`])
    const { trailer } = read
    if (trailer.entries !== this.#entries || trailer.checksum !== this.#checksum) {
      throw new Refusal([
        `error: the state is not whole: its last line is of ${trailer.entries} entries, and ${this.#entries} are there` +
          (trailer.entries === this.#entries ? ', some of which were changed' : ''),
      ])
    }
    return trailer
  }
}
