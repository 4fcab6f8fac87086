import { setTimeout as pause } from 'node:timers/promises'
import { apiPrefix, type CommandResource } from '@regent/contract/api.ts'
import type { ClientEvent } from './history/history.ts'

/** Longest that one request may take, in milliseconds. */
const requestMs = 5_000
/** Longest that a command is asked for, in milliseconds: on a slow machine a full queue may take a minute to empty. */
const patienceMs = 300_000
/** Before a command is asked for again, or the next one after one that was refused, in milliseconds. */
const againMs = 250

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

/**
 * People who ask for commands without pause. What may have been stored is asked for again with the same key until it is
 * answered; what was refused for sure is given up.
 */
export class CommandStream {
  readonly events: ClientEvent[] = []
  readonly #options: CommandStreamOptions
  readonly #stop = new AbortController()
  readonly #clients: readonly Promise<void>[]
  #asked = 0
  #failure: Error | undefined
  #isAbandoned = false

  constructor(options: CommandStreamOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients }, (_, index) =>
      this.#ask(index).catch((error: unknown) => {
        // Thrown by whoever looks next: rejected here, it would end the process and leave those that it started.
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
        this.#stop.abort()
      }),
    )
  }

  /** @throws Error where a command was refused for good, or never answered */
  assertAlive(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Asks for no more, and waits until what was asked for is answered. @throws as {@link assertAlive} does */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#clients)
    this.assertAlive()
  }

  /** Gives up whatever is asked for. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true
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

  /** A command that may have been stored is asked for again until it is known. */
  async #untilAnswered(key: string, target: string): Promise<void> {
    const began = performance.now()
    let last = ''
    let mayBeStored = false
    while (!this.#isAbandoned && performance.now() - began < patienceMs) {
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
          body: JSON.stringify({ action: 'effect', target, payload: { target, key } }),
          signal: AbortSignal.timeout(requestMs),
        })
        const text = await response.text()
        if (response.ok) {
          const { commandId } = JSON.parse(text) as CommandResource
          this.events.push({ kind: 'promised', key, commandId })
          return
        }
        last = `${response.status}: ${text}`
        if (response.status !== 429 && response.status < 500) throw new Refused(last)
        // Away, or without an answer: nothing was stored, or it is found by its key.
        mayBeStored ||= response.status !== 429
      } catch (error) {
        if (error instanceof Refused) throw error
        last = String(error)
        mayBeStored = true
      }
      await pause(againMs)
      // Too much at once: nothing was stored, and nothing may be later.
      if (!mayBeStored) {
        this.events.push({ kind: 'refused', key })
        return
      }
    }
    throw new Error(`${key} was not taken for ${patienceMs / 1000} s; the last answer: ${last}`)
  }
}

class Refused extends Error {}
