import type { Surroundings, Thread } from './simulated-process.ts'
import type { Way } from './way.ts'

export interface LineOptions {
  readonly world: Surroundings
  /** The ways that it leads over. */
  readonly ways: readonly Way[]
  /** Who reads; nobody where that is no simulated process. */
  readonly to?: Thread
  /** The connection broke, and this end is told. */
  readonly onBroken: () => void
}

/**
 * One direction of a connection: what is sent on it arrives in its order, late, or not at all. A way that breaks it
 * tells its reader, a way that freezes leaves it half-open.
 */
export class Line {
  readonly #options: LineOptions
  readonly #waiting: { readonly atMs: number; readonly arrive: () => void }[] = []
  readonly #forget: readonly (() => void)[]
  #isPumping = false
  #isOver = false
  #isHalfOpen = false
  #lastMs = 0

  constructor(options: LineOptions) {
    this.#options = options
    this.#forget = options.ways.map((way) => way.onChange(() => this.#wayChanged(way)))
  }

  send(arrive: () => void): void {
    if (this.#isOver || this.#isHalfOpen) return
    const { events } = this.#options.world
    const delayMs = this.#options.ways.reduce((sum, way) => sum + way.delayMs(), 0)
    this.#lastMs = Math.max(this.#lastMs, events.nowMs + delayMs)
    this.#waiting.push({ atMs: this.#lastMs, arrive })
    this.#pump()
  }

  /** Nothing more arrives. */
  end(): void {
    this.#isOver = true
    this.#waiting.length = 0
    for (const forget of this.#forget) forget()
  }

  /** What has not arrived yet never does: the sender's kernel threw it away. */
  discard(): void {
    this.#waiting.length = 0
  }

  #wayChanged(way: Way): void {
    if (this.#isOver) return
    if (way.fate === 'frozen') this.#isHalfOpen = true
    if (this.#isHalfOpen) this.#waiting.length = 0
    else if (way.breaks) {
      this.#arrive(() => this.#options.onBroken())
      this.end()
    } else this.#pump()
  }

  #pump(): void {
    const [next] = this.#waiting
    if (this.#isPumping || next === undefined || this.#isOver) return
    // Goes on when the way does.
    if (!this.#options.ways.every((way) => way.carries)) return
    this.#isPumping = true
    this.#options.world.events.at(next.atMs, () => {
      this.#isPumping = false
      if (this.#waiting[0] === next && this.#options.ways.every((way) => way.carries)) {
        this.#waiting.shift()
        this.#arrive(next.arrive)
      }
      this.#pump()
    })
  }

  #arrive(work: () => void): void {
    const { to } = this.#options
    if (to === undefined) work()
    else to.run(work)
  }
}
