import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the server was asked for. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly accept: string
  readonly authorization: string
}

/** An HTTP server of which each path answers as a test says; what it does not know is 404. */
export class RegistryServer {
  readonly #server: Server
  readonly host: string
  readonly asked: Asked[] = []

  private constructor(server: Server) {
    this.#server = server
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(
    answers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>,
  ): Promise<RegistryServer> {
    const server = createServer((request, response) => {
      const { method = '', url = '', headers } = request
      registry.asked.push({ method, url, accept: headers.accept ?? '', authorization: headers.authorization ?? '' })
      const answer = answers[new URL(url, 'http://localhost').pathname]
      if (answer === undefined) response.writeHead(404).end('{"errors":[]}')
      else answer(request, response)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const registry = new RegistryServer(server)
    return registry
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }
}

export const indexType = 'application/vnd.oci.image.index.v1+json'
export const imageType = 'application/vnd.oci.image.manifest.v1+json'

/** Answers with a manifest; without a digest in the header unless one is given. */
export function manifest(body: string, type = indexType, digest?: string) {
  return (_: IncomingMessage, response: ServerResponse) =>
    response
      .writeHead(200, { 'content-type': type, ...(digest !== undefined && { 'docker-content-digest': digest }) })
      .end(body)
}

export function digestOf(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`
}
