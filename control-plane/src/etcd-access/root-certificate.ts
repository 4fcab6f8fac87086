import { readFile } from 'node:fs/promises'
import { etcdRoot } from '@regent/contract/etcd-users.ts'
import { readCertificate } from '../identity/named-certificate.ts'

/** The certificate is of somebody else: authentication must not be turned on with it, or nobody could get in again. */
export class NotRoot extends Error {
  override readonly name = 'NotRoot'
}

/**
 * Makes sure that a certificate is of etcd's root. While authentication is off, etcd itself would take any.
 *
 * @throws NotRoot; what reading the file throws
 */
export async function mustBeRoot(certificateFile: string): Promise<void> {
  const received = commonNamesOf(await readFile(certificateFile))
  if (received?.length === 1 && received[0] === etcdRoot.name) return
  throw new NotRoot(
    `${certificateFile}: expected a certificate with the common name '${etcdRoot.name}', got ${printed(received)}; issue one for the Secret that consensus.tls.rootSecretName names`,
  )
}

/** What the first certificate of a PEM file says; `undefined` where it is none. */
function commonNamesOf(text: Buffer): readonly string[] | undefined {
  try {
    return readCertificate(text).commonNames
  } catch {
    return undefined
  }
}

function printed(names: readonly string[] | undefined): string {
  if (names === undefined) return 'no certificate'
  return names.length === 0 ? 'none' : names.map((name) => JSON.stringify(name.slice(0, 100))).join(', ')
}
