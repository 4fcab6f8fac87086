import { CertificateAuthority } from './authority.ts'

/** A key and a certificate that signs itself: server and authority in one, as PEM. */
export interface ServerCertificate {
  readonly key: string
  readonly certificate: string
}

/** A certificate for addresses, valid for a day. */
export function serverCertificate(addresses: readonly string[], now: Date = new Date()): ServerCertificate {
  return new CertificateAuthority({ addresses, from: new Date(now.getTime() - 3_600_000) })
}
