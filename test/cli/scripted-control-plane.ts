import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { portOf } from '@regent/runtime/listen.ts'
import { type Ended, project, run } from './program.ts'

/** A control plane whose lists hold what a test says, and whose event streams are what it says, in turn. */
export class ScriptedControlPlane {
  readonly asked: string[] = []
  readonly #server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '')
    this.asked.push(`${path} ${String(request.headers['last-event-id'] ?? '')}`.trim())
    if (path === '/api/v1/events') this.#streams.shift()?.(response)
    else response.setHeader('content-type', 'application/json').end(JSON.stringify({ items: this.#items }))
  })
  readonly #streams: ((response: ServerResponse) => void)[]
  readonly #items: readonly object[]

  constructor(streams: readonly ((response: ServerResponse) => void)[], items: readonly object[] = []) {
    this.#streams = [...streams]
    this.#items = items
  }

  /** Runs `regent`, of this control plane. */
  async regent(...args: readonly string[]): Promise<Ended> {
    if (!this.#server.listening) await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const env = { REGENT_URL: `http://127.0.0.1:${portOf(this.#server) ?? 0}`, REGENT_TOKEN: 'token' }
    return await run([process.execPath, `${project}/cli/regent.ts`, ...args], { env })
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
