import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'

/** Answers a PATCH: the changed object, or a status without one. */
export type Patch = (path: string, patch: unknown) => object | number

/** Enough of an API server for the commands that ask a cluster: objects by path, and nothing else. */
export class ApiServer {
  readonly #server: Server
  readonly url: string
  /** Paths that were asked for, with their queries. */
  readonly asked: string[] = []

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  /**
   * @param objects an object by path, looked up at each request; a number is a status without one, and 0 none at all
   * @param patch answers every PATCH; without it none is allowed
   */
  static async start(objects: Readonly<Record<string, object | number>>, patch: Patch = () => 403): Promise<ApiServer> {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      api.asked.push(request.url ?? '')
      if (request.method === 'PATCH' && request.headers['content-type'] === 'application/merge-patch+json') {
        void json(request).then((body) => answer(patch(pathname, body)))
        return
      }
      answer(request.headers.authorization === 'Bearer let-me-in' ? (objects[pathname] ?? 404) : 401)

      function answer(found: object | number): void {
        if (found === 0) return
        const status = typeof found === 'number' ? found : 200
        const body = typeof found === 'number' ? { kind: 'Status', code: found, message: 'top secret' } : found
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      }
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const api = new ApiServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    return api
  }

  /** Writes a kubeconfig with the contexts `admin`, which is the current one, and `stranger`. */
  kubeconfig(folder: string): string {
    const file = join(folder, 'kubeconfig')
    const context = (name: string) => ({ name, context: { cluster: 'test', user: name } })
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'test', cluster: { server: this.url, 'insecure-skip-tls-verify': true } }],
        users: [
          { name: 'admin', user: { token: 'let-me-in' } },
          { name: 'stranger', user: { token: 'wrong' } },
        ],
        contexts: [context('admin'), context('stranger')],
        'current-context': 'admin',
      }),
    )
    return file
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }
}
