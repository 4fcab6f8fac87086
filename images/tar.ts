/** One member of a tar archive. */
export interface TarEntry {
  /** Path without a leading `./` or a trailing slash. */
  readonly path: string
  readonly type: 'file' | 'folder' | 'link' | 'other'
  /** Permissions, with the bits of setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly modifiedSeconds: number
  readonly content: Buffer
}

const blockBytes = 512
const types: Readonly<Record<string, TarEntry['type']>> = { '0': 'file', '\0': 'file', '5': 'folder', '2': 'link' }

/** Reads an uncompressed archive: USTAR, with the long names of PAX. @throws when it is none */
export function* tarEntries(archive: Buffer): Generator<TarEntry> {
  let longPath: string | undefined
  for (let at = 0; at + blockBytes <= archive.length;) {
    const header = archive.subarray(at, at + blockBytes)
    if (header[0] === 0) return
    if (checksumOf(header) !== numberIn(header, 148, 8)) {
      throw new Error(`expected the header of a file at byte ${at} of the archive, got something else`)
    }
    const size = numberIn(header, 124, 12)
    const content = archive.subarray(at + blockBytes, at + blockBytes + size)
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes
    const type = header.toString('latin1', 156, 157)
    if (type === 'x') {
      longPath = /(?:^|\n)\d+ path=([^\n]+)\n/.exec(content.toString())?.[1]
      continue
    }
    const path = longPath ?? [textIn(header, 345, 155), textIn(header, 0, 100)].filter(Boolean).join('/')
    longPath = undefined
    yield {
      path: path.replace(/^(\.?\/)+/, '').replace(/\/$/, ''),
      type: types[type] ?? 'other',
      mode: numberIn(header, 100, 8),
      uid: numberIn(header, 108, 8),
      gid: numberIn(header, 116, 8),
      modifiedSeconds: numberIn(header, 136, 12),
      content,
    }
  }
}

/**
 * The parts of an archive with these files, in this order, that nobody's clock, user or umask is in: the same files
 * give the same bytes.
 *
 * @throws when a path is longer than the 100 bytes that need no extension of the format
 */
export function* tarOf(files: Iterable<readonly [path: string, content: Buffer]>): Generator<Buffer> {
  for (const [path, content] of files) {
    if (Buffer.byteLength(path) > 100) throw new Error(`expected a path of at most 100 bytes, got '${path}'`)
    const header = Buffer.alloc(blockBytes)
    header.write(path, 0)
    for (const [value, at, length] of [
      [0o644, 100, 8],
      [0, 108, 8],
      [0, 116, 8],
      [content.length, 124, 12],
      [0, 136, 12],
    ] as const) {
      header.write(value.toString(8).padStart(length - 1, '0'), at)
    }
    header.write('0', 156)
    header.write('ustar\x0000', 257)
    header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148)
    yield header
    yield content
    yield Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes)
  }
  yield Buffer.alloc(2 * blockBytes)
}

/** The sum of a header's bytes, its own field counted as spaces. */
function checksumOf(header: Buffer): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0)
}

function textIn(header: Buffer, at: number, length: number): string {
  return header.toString('utf8', at, at + length).replace(/\0.*$/s, '')
}

function numberIn(header: Buffer, at: number, length: number): number {
  return Number.parseInt(textIn(header, at, length).trim() || '0', 8)
}
