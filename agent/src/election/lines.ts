const newline = 0x0a

/**
 * Cuts a stream of bytes into lines. What is kept of an unfinished line is bounded, so that a sender cannot fill the
 * memory.
 */
export class LineSplitter {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #bytes = 0

  /** @param maxBytes longest line, its newline not counted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The lines that this chunk completes, without their newlines.
   *
   * @throws RangeError when a line is longer than allowed; what follows in the stream means nothing any more
   */
  push(chunk: Buffer): readonly string[] {
    const lines: string[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      const part = chunk.subarray(start, end === -1 ? chunk.length : end)
      this.#bytes += part.length
      if (this.#bytes > this.#maxBytes) {
        throw new RangeError(`a line of more than ${this.#maxBytes} bytes, which is the longest allowed`)
      }
      if (part.length > 0) this.#parts.push(part)
      if (end === -1) return lines
      // Decoded as a whole: a chunk may end in the middle of a character.
      lines.push(Buffer.concat(this.#parts, this.#bytes).toString('utf8'))
      this.#parts = []
      this.#bytes = 0
      start = end + 1
    }
  }
}
