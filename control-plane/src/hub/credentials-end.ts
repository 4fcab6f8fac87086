/** How long before its credentials end an agent is asked to come with newer ones, in milliseconds. */
const renewBeforeMs = 60_000
const longestTimerMs = 2 ** 31 - 1

export interface CredentialsEndEvents {
  /** They end within a minute: newer ones are worth asking for. */
  readonly onSoon: () => void
  readonly onOver: () => void
}

/** Watches for the end of what a connection was opened with, which a rotation of keys brings forward. */
export class CredentialsEnd {
  readonly #events: CredentialsEndEvents
  #endMs: number | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param expiresAt absent: they do not end by themselves */
  constructor(expiresAt: Date | undefined, events: CredentialsEndEvents) {
    this.#events = events
    this.#endMs = expiresAt?.getTime()
    this.#watch()
  }

  /** They end then, unless they end before: what is told of an end may come late, and no end is ever put off. */
  bringForwardTo(expiresAt: Date): void {
    const endMs = expiresAt.getTime()
    if (endMs >= (this.#endMs ?? Infinity)) return
    this.#endMs = endMs
    this.#watch()
    const leftMs = leftUntil(endMs)
    // Who came before the end was moved may have something newer by now, however soon it is.
    if (leftMs > 0 && leftMs <= renewBeforeMs) this.#events.onSoon()
  }

  /** Nothing is told any more. */
  cancel(): void {
    clearTimeout(this.#timer)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    const endMs = this.#endMs
    if (endMs === undefined) return
    const leftMs = leftUntil(endMs)
    // Who came with what ends so soon has nothing newer.
    const asks = leftMs > renewBeforeMs
    const dueMs = asks ? leftMs - renewBeforeMs : leftMs
    this.#timer = setTimeout(
      () => {
        if (dueMs > longestTimerMs) this.#watch()
        else if (asks) this.#soon()
        else this.#events.onOver()
      },
      Math.max(0, Math.min(dueMs, longestTimerMs)),
    )
  }

  #soon(): void {
    this.#events.onSoon()
    this.#watch()
  }
}

function leftUntil(endMs: number): number {
  return endMs - Date.now()
}
