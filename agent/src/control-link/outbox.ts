import { comfortablyBufferedBytes } from './connection.ts'
import type { Result } from './outcome.ts'

/** Where results go: a registered connection. */
export interface Outlet {
  readonly bufferedBytes: number
  /** @returns whether it is on its way */
  send(text: string): boolean
  whenDrained(callback: () => void): void
}

/** Most results that are kept. A control plane that works never has so many to acknowledge. */
export const mostKeptResults = 64

interface Kept {
  readonly result: Result
  /** The connection that it was sent on last. */
  sentOn: Outlet | undefined
}

/**
 * Results of commands until the control plane has stored them. They are sent on each new connection again, in the
 * order in which the commands ended, and never more at once than the connection comfortably takes.
 */
export class Outbox {
  readonly #kept = new Map<string, Kept>()
  #outlet: Outlet | undefined
  #isWaiting = false
  #emptied: (() => void)[] = []

  /** How many results are not known to be stored. */
  get size(): number {
    return this.#kept.size
  }

  /** Whether the result of this command is kept. */
  has(commandId: string): boolean {
    return this.#kept.has(commandId)
  }

  /** Keeps a result, and sends it as soon as it can. */
  keep(result: Result): void {
    this.#kept.set(result.commandId, { result, sentOn: undefined })
    this.flush()
  }

  /** Sends a result that is kept again: whoever asks for the command again has not got it. */
  repeat(commandId: string): void {
    const kept = this.#kept.get(commandId)
    if (kept === undefined) return
    kept.sentOn = undefined
    this.flush()
  }

  /** The control plane has stored a result: it is forgotten here. */
  stored(commandId: string): void {
    this.#kept.delete(commandId)
    if (this.#kept.size > 0) return
    for (const resolve of this.#emptied.splice(0)) resolve()
  }

  /** From now on results go there, all that are kept first; nowhere without an outlet. */
  connect(outlet: Outlet | undefined): void {
    this.#outlet = outlet
    this.#isWaiting = false
    this.flush()
  }

  /** Resolves when every result is stored. */
  empty(): Promise<void> {
    if (this.#kept.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#emptied.push(resolve))
  }

  /** Sends what was not sent on this connection yet: after a suspension, in which nothing could be. */
  flush(): void {
    const outlet = this.#outlet
    if (outlet === undefined || this.#isWaiting) return
    for (const kept of this.#kept.values()) {
      if (kept.sentOn === outlet) continue
      if (outlet.bufferedBytes > comfortablyBufferedBytes) {
        this.#isWaiting = true
        outlet.whenDrained(() => {
          if (this.#outlet !== outlet) return
          this.#isWaiting = false
          this.flush()
        })
        return
      }
      if (!outlet.send(kept.result.text)) return
      kept.sentOn = outlet
    }
  }
}
