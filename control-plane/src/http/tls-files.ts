import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls'
import { errorCode } from '@regent/runtime/error-code.ts'
import type { Log } from '@regent/runtime/logging/log.ts'

export interface TlsFilesOptions {
  /** PEM, with the certificates between it and the authority. */
  readonly certificateFile: string
  readonly keyFile: string
  /** The authorities of client certificates, PEM. @default none are asked for */
  readonly clientCaFile?: string
}

/**
 * What a server is told of its certificate: the lowest version of TLS with it. With `ca` it is to ask for certificates
 * of those authorities.
 */
export type TlsSettings = Pick<SecureContextOptions, 'cert' | 'key' | 'ca' | 'minVersion'>

/** How often the files are looked at, in milliseconds. A Secret that was changed takes a minute to be mounted anyway. */
const lookEveryMs = 10_000

/**
 * The certificate of a server, in files that somebody else renews. They are read, not watched: a mounted Secret is
 * replaced by moving a link, which watches of files miss.
 */
export class TlsFiles {
  readonly #options: TlsFilesOptions

  constructor(options: TlsFilesOptions) {
    this.#options = options
  }

  /** @throws Error that names the file that cannot be read or is empty, or says that certificate and key do not fit */
  async read(): Promise<TlsSettings> {
    const { certificateFile, keyFile, clientCaFile } = this.#options
    const [cert, key, ca] = await Promise.all([
      contentOf(certificateFile),
      contentOf(keyFile),
      clientCaFile === undefined ? undefined : authoritiesIn(clientCaFile),
    ])
    const settings: TlsSettings = { cert, key, minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) }
    try {
      createSecureContext(settings)
    } catch (error) {
      throw new Error(
        `${certificateFile}, ${keyFile}: expected a certificate in PEM with its key, got what TLS refuses (${errorCode(error) ?? 'unknown'})`,
      )
    }
    return settings
  }

  /**
   * Gives a server what is in the files from now on; connections that are open keep what they began with. What cannot
   * be used, one of two files that was replaced before the other for instance, is said in the log and looked at again.
   *
   * @param inUse what the server began with
   * @returns ends it
   */
  keepFresh(server: Pick<Server, 'setSecureContext'>, inUse: TlsSettings, log: Log, everyMs = lookEveryMs): () => void {
    let current = fingerprint(inUse)
    let isReading = false
    const look = async (): Promise<void> => {
      if (isReading) return
      isReading = true
      try {
        const settings = await this.read()
        if (fingerprint(settings) === current) return
        server.setSecureContext(settings)
        current = fingerprint(settings)
        const { certificateFile, clientCaFile } = this.#options
        log.info('tls-certificate-replaced', {
          file: certificateFile,
          ...(clientCaFile !== undefined && { clientCaFile }),
        })
      } catch (error) {
        log.warn('tls-certificate-unusable', { error: error as Error, message: 'the one in use stays' })
      } finally {
        isReading = false
      }
    }
    const timer = setInterval(() => void look(), everyMs)
    timer.unref()
    return () => clearInterval(timer)
  }
}

function fingerprint({ cert, key, ca }: TlsSettings): string {
  return JSON.stringify([cert, key, ca])
}

/** TLS takes anything for an authority, and then trusts nobody: what is none is found out here. */
async function authoritiesIn(file: string): Promise<string> {
  const content = await contentOf(file)
  const found = content.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0 || !found.every(isAuthority)) {
    throw new Error(
      `${file}: expected certificates of authorities in PEM, got ${found.length === 0 ? 'none' : 'something else among them'}; mount the authority that signs the certificates of agents`,
    )
  }
  return content
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}

/** TLS accepts a certificate or a key that is empty, as a file is while it is written, and then serves nobody. */
async function contentOf(file: string): Promise<string> {
  const content = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Error(`${file} cannot be read (${errorCode(error) ?? 'unknown'}); mount the certificate there`)
  })
  if (content === '') throw new Error(`${file}: expected PEM, got an empty file; mount the certificate there`)
  return content
}
