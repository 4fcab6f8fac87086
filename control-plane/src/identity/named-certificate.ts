import { X509Certificate } from 'node:crypto'

/** A certificate, and every common name of its subject: two are two who might be meant. */
export interface NamedCertificate {
  readonly certificate: X509Certificate
  readonly commonNames: readonly string[]
}

/**
 * Reads a certificate, the first one of several.
 *
 * @param content DER or PEM
 * @throws Error where it is none
 */
export function readCertificate(content: Uint8Array): NamedCertificate {
  const certificate = new X509Certificate(content)
  // One attribute of the subject a line. An empty subject is `undefined`, whatever its type says.
  const attributes = [certificate.subject].join('').split('\n')
  return {
    certificate,
    commonNames: attributes.flatMap((line) => (line.startsWith('CN=') ? [line.slice('CN='.length)] : [])),
  }
}
