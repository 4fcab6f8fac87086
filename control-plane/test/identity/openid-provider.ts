import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { serverCertificate } from '../../../agent/test/election/certificate.ts'
import type { SigningKey } from './issuer.ts'

/** An OpenID provider on loopback, as far as somebody who checks its tokens sees it. */
export class OpenIdProvider {
  readonly #certificate = serverCertificate(['127.0.0.1'])
  #server: Server | undefined
  #port = 0
  /** What it signs with, as it tells the world. */
  keys: readonly SigningKey[]

  private constructor(keys: readonly SigningKey[]) {
    this.keys = keys
  }

  /** One that is away, and knows where it will be. */
  static async away(...keys: readonly SigningKey[]): Promise<OpenIdProvider> {
    const provider = new OpenIdProvider(keys)
    await provider.begin()
    await provider.end()
    return provider
  }

  get issuer(): string {
    return `https://127.0.0.1:${this.#port}/realms/main`
  }

  /** The authority of its certificate, PEM. */
  get authority(): string {
    return this.#certificate.certificate
  }

  async begin(): Promise<void> {
    const { certificate: cert, key } = this.#certificate
    const server = createServer({ cert, key }, ({ url }, response) => {
      const document = this.#document(url ?? '')
      response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(document ?? {}))
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    // A server on a port has an address of this form.
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async end(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }

  #document(path: string): object | undefined {
    const { issuer } = this
    if (path === '/realms/main/.well-known/openid-configuration') return { issuer, jwks_uri: `${issuer}/certs` }
    return path === '/realms/main/certs' ? { keys: this.keys.map(({ publicJwk }) => publicJwk) } : undefined
  }
}
