import type { Surroundings, Thread } from './simulated-process.ts'

/** How what is sent over a way fares. */
export type Fate =
  | 'well'
  /** Arrives, up to a second late. */
  | 'slow'
  /** Refused at once: nobody listens. Connections that stand are broken. */
  | 'refused'
  /** Requests are lost; connections that stand carry nothing until it heals. */
  | 'lost'
  /** Requests take effect, their answers are lost; connections that stand carry nothing until it heals. */
  | 'unanswered'
  /** Requests are broken off, whether they took effect or not; connections that stand are broken. */
  | 'reset'
  /** Requests arrive when everybody has given up on them; connections that stand are half-open for ever. */
  | 'frozen'

export type Outcome<Answer> = { readonly answer: Answer } | { readonly broken: 'refused' | 'reset' }

/** The network between two places, in both directions. */
export class Way {
  readonly #world: Surroundings
  readonly #onChange = new Set<() => void>()
  #fate: Fate = 'well'

  constructor(world: Surroundings) {
    this.#world = world
  }

  get fate(): Fate {
    return this.#fate
  }

  /** Whether connections that stand carry what is sent on them. */
  get carries(): boolean {
    return this.#fate === 'well' || this.#fate === 'slow'
  }

  /** Whether connections that stand are broken, and both ends told so. */
  get breaks(): boolean {
    return this.#fate === 'refused' || this.#fate === 'reset'
  }

  set(fate: Fate): void {
    this.#fate = fate
    for (const listener of [...this.#onChange]) listener()
  }

  /** @returns what ends the listening */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener)
    return () => this.#onChange.delete(listener)
  }

  /** How long one direction takes now, in milliseconds. */
  delayMs(): number {
    const { random } = this.#world
    return this.#fate === 'slow' ? random() * 450 : 0.1 + random() * random() * 8
  }

  /**
   * Sends a request. Whoever handles it is no simulated process; nobody is told of an answer that is lost.
   * @param ended called in the thread that asks
   * @param isWanted whether what was held back is still let go, seconds later
   */
  request<Answer>(
    from: Thread,
    handle: () => Answer,
    ended: (outcome: Outcome<Answer>) => void,
    isWanted: () => boolean = () => true,
  ): void {
    const { events, random } = this.#world
    switch (this.#fate) {
      case 'refused':
        return from.deliver(0.5, () => ended({ broken: 'refused' }))
      case 'lost':
        return
      case 'frozen':
        return events.after(1000 + random() * 15_000, () => {
          if (isWanted()) handle()
        })
      case 'unanswered':
        return events.after(this.delayMs(), () => void handle())
      case 'reset':
        if (random() < 0.5) events.after(this.delayMs(), () => void handle())
        return from.deliver(1 + random() * 10, () => ended({ broken: 'reset' }))
      case 'well':
      case 'slow':
        events.after(this.delayMs(), () => {
          const answer = handle()
          // What has become of the way meanwhile becomes of the answer too.
          if (this.breaks) from.deliver(this.delayMs(), () => ended({ broken: 'reset' }))
          else if (this.carries) from.deliver(this.delayMs(), () => ended({ answer }))
        })
    }
  }
}
