import { isIPv4 } from 'node:net'

/** The few forms of ASN.1 (X.690) that a certificate is made of. */

export function tagged(tag: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const { length } = bytes
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), bytes])
}

export const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts))
export const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
/** By its bytes in hex. */
export const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))
export const bitString = (bytes: Buffer): Buffer => tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]))
export const extension = (id: string, value: Buffer): Buffer => sequence(objectId(id), tagged(0x04, value))

/** A name of one attribute, the common name. */
export const commonNameOf = (text: string): Buffer =>
  sequence(tagged(0x31, sequence(objectId('550403'), tagged(0x0c, text))))

/** Whole seconds. */
export function utcTime(time: Date): Buffer {
  return tagged(0x17, `${time.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`)
}

/** IPv6 only in its shortest form for one machine, `::1`, or as eight groups. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [before = '', after = ''] = address.split('::')
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(before).length - groups(after).length
  const all = [...groups(before), ...Array<string>(missing).fill('0'), ...groups(after)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** What is in it as PEM. */
export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`
}
