import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'

/** A key and a certificate that signs itself: server and authority in one, as PEM. */
export interface ServerCertificate {
  readonly key: string
  readonly certificate: string
}

/**
 * A certificate for addresses, valid for a day. Node can read certificates and cannot make them, and a key that is
 * kept in a repository is one that somebody trusts some day: so this writes the few fields of X.509 that TLS needs.
 */
export function serverCertificate(addresses: readonly string[], now: Date = new Date()): ServerCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'))
  // A common name of its own: two authorities of the same name look like one that was renewed.
  const name = sequence(set(sequence(objectId('550403'), tagged(0x0c, randomBytes(8).toString('hex')))))
  const hour = 3_600_000
  const signed = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(new Date(now.getTime() - hour)), utcTime(new Date(now.getTime() + 24 * hour))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(
        extension('551d13', sequence(tagged(0x01, Buffer.from([0xff])))),
        extension('551d11', sequence(...addresses.map((address) => tagged(0x87, addressBytes(address))))),
      ),
    ),
  )
  const signature = sign('sha256', signed, privateKey)
  const der = sequence(signed, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
  }
}

function tagged(tag: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const { length } = bytes
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), bytes])
}

const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts))
const set = (...parts: readonly Buffer[]): Buffer => tagged(0x31, Buffer.concat(parts))
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))
const extension = (id: string, value: Buffer): Buffer => sequence(objectId(id), tagged(0x04, value))

function utcTime(time: Date): Buffer {
  return tagged(0x17, `${time.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`)
}

/** IPv6 only in its shortest form for one machine, `::1`, or as eight groups. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [before = '', after = ''] = address.split('::')
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(before).length - groups(after).length
  const all = [...groups(before), ...Array<string>(missing).fill('0'), ...groups(after)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
