import { setTimeout as pause } from 'node:timers/promises'
import { apiPrefix, type CommandResource } from '@regent/contract/api.ts'
import type { ClientEvent } from './history/history.ts'

/** Longest that one request may take, in milliseconds. */
const requestMs = 5_000

export interface CommandStreamOptions {
  /** Asked for at each request: where the API is, and with which token. */
  readonly api: () => { readonly url: string; readonly bearer: string }
  /** How many ask at once, each for one command after the other. */
  readonly clients: number
  /** Between two commands of one client, in milliseconds. */
  readonly everyMs: number
  /** Commands go to so many targets. */
  readonly targets: number
}

/** People who ask for commands without pause, and ask again with the same key until they are answered. */
export class CommandStream {
  readonly events: ClientEvent[] = []
  readonly #options: CommandStreamOptions
  readonly #stop = new AbortController()
  readonly #clients: readonly Promise<void>[]
  #asked = 0

  constructor(options: CommandStreamOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients }, (_, index) => this.#ask(index))
  }

  /** Asks for no more, and waits until what was asked for is answered. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#clients)
  }

  async #ask(client: number): Promise<void> {
    const { signal } = this.#stop
    const { everyMs, targets } = this.#options
    while (!signal.aborted) {
      const number = (this.#asked += 1)
      const key = `${client}-${number}`
      this.events.push({ kind: 'asked', key })
      await this.#untilAnswered(key, `t-${number % targets}`)
      await pause(everyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Nobody gives up: a command that may have been stored is asked for again until it is known. */
  async #untilAnswered(key: string, target: string): Promise<void> {
    for (let attempt = 1; attempt <= 300; attempt += 1) {
      try {
        const { url, bearer } = this.#options.api()
        const response = await fetch(`${url}${apiPrefix}/agents/local/commands`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${bearer}`,
            'content-type': 'application/json',
            'idempotency-key': key,
            connection: 'close',
          },
          body: JSON.stringify({ action: 'effect', target, payload: { target } }),
          signal: AbortSignal.timeout(requestMs),
        })
        const text = await response.text()
        if (response.ok) {
          const { commandId } = JSON.parse(text) as CommandResource
          this.events.push({ kind: 'promised', key, commandId })
          return
        }
        // Too much at once, or away: nothing was stored, or it is found by its key.
        if (response.status !== 429 && response.status < 500) throw new Refused(`${response.status}: ${text}`)
      } catch (error) {
        if (error instanceof Refused) throw error
      }
      await pause(100)
    }
    throw new Error(`nobody answered ${key}`)
  }
}

class Refused extends Error {}
