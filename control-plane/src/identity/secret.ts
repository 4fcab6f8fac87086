import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** How much of a secret is random, in bytes. It is never guessed, so a fast hash without salt is enough to keep it. */
const secretBytes = 32
/** Ids only tell secrets apart. */
const idBytes = 10

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** The id of a key or a token: 16 characters of base 32. */
export const newSecretId = (): string => base32(randomBytes(idBytes))
/** 256 random bits as 52 characters of base 32: no case to mix up, nothing that has to be escaped. */
export const newSecret = (): string => base32(randomBytes(secretBytes))

/** What is stored of a key or token: the SHA-256 of its whole text, in hex. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/** Whether the text is the one that was hashed, in a time that does not depend on how much of it fits. */
export function matchesHash(text: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex')
  const received = createHash('sha256').update(text, 'utf8').digest()
  return expected.length === received.length && timingSafeEqual(expected, received)
}

function base32(bytes: Buffer): string {
  let text = ''
  let [bits, value] = [0, 0]
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((value >>> bits) & 31)
    }
    value &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + alphabet.charAt((value << (5 - bits)) & 31)
}
