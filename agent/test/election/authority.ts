import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  addressBytes,
  bitString,
  commonNameOf,
  extension,
  integer,
  objectId,
  pem,
  sequence,
  tagged,
  utcTime,
} from './der.ts'

const [hourMs, dayMs] = [3_600_000, 86_400_000]
const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'))

/** What a certificate says. */
export interface CertificateContent {
  /** @default one of its own: two authorities of the same name look like one that was renewed */
  readonly commonName?: string
  /** Addresses that a server has. @default none */
  readonly addresses?: readonly string[]
  /** @default an hour ago */
  readonly from?: Date
  /** @default a day and an hour later */
  readonly until?: Date
}

/** A key and its certificate, as PEM. */
export interface IssuedCertificate {
  readonly key: string
  readonly certificate: string
}

/**
 * An authority that signs certificates of servers and of clients, and its own, which is one of a server as well. Node
 * can read certificates and cannot make them, and a key that is kept in a repository is one that somebody trusts some
 * day: so this writes the few fields of X.509 that TLS needs.
 */
export class CertificateAuthority implements IssuedCertificate {
  readonly key: string
  readonly certificate: string
  readonly #name: Buffer
  readonly #privateKey: KeyObject

  constructor(content: CertificateContent = {}) {
    const { publicKey, privateKey } = newKeys()
    this.#privateKey = privateKey
    this.#name = nameOf(content)
    this.key = textOf(privateKey)
    const isAuthority = extension('551d13', sequence(tagged(0x01, Buffer.from([0xff]))))
    this.certificate = this.#sign(this.#name, content, publicKey, [isAuthority])
  }

  /** Signs a certificate for a key of its own. */
  issue(content: CertificateContent): IssuedCertificate {
    const { publicKey, privateKey } = newKeys()
    const purposes = extension('551d25', sequence(objectId('2b06010505070302'), objectId('2b06010505070301')))
    return { key: textOf(privateKey), certificate: this.#sign(nameOf(content), content, publicKey, [purposes]) }
  }

  #sign(
    subject: Buffer,
    { addresses = [], from = new Date(Date.now() - hourMs), until }: CertificateContent,
    publicKey: KeyObject,
    extensions: readonly Buffer[],
  ): string {
    const names = extension('551d11', sequence(...addresses.map((address) => tagged(0x87, addressBytes(address)))))
    const signed = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      ecdsaWithSha256,
      this.#name,
      sequence(utcTime(from), utcTime(until ?? new Date(from.getTime() + dayMs + hourMs))),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions, ...(addresses.length === 0 ? [] : [names]))),
    )
    const signature = sign('sha256', signed, this.#privateKey)
    return pem('CERTIFICATE', sequence(signed, ecdsaWithSha256, bitString(signature)))
  }
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const textOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const nameOf = ({ commonName }: CertificateContent): Buffer =>
  commonNameOf(commonName ?? randomBytes(8).toString('hex'))
