import type { Host, StopSignal } from '../../host.ts'

/** A process that a test is: it remembers how it ended, and is sent signals and errors. */
export class RecordedHost implements Host {
  /** Resolves with the first code that the process was ended with. */
  readonly ended = Promise.withResolvers<number>()
  /** Every code, in order: a real process would have had only the first. */
  readonly exits: number[] = []
  complaints = ''
  readonly #waiting: ((code: number) => void)[] = []
  readonly #signalListeners: ((signal: StopSignal) => void)[] = []
  readonly #errorListeners: ((error: unknown) => void)[] = []

  onStopSignal(listener: (signal: StopSignal) => void): void {
    this.#signalListeners.push(listener)
  }

  onUncaught(listener: (error: unknown) => void): void {
    this.#errorListeners.push(listener)
  }

  exit(code: number): void {
    this.exits.push(code)
    this.ended.resolve(code)
    for (const resolve of this.#waiting.splice(0)) resolve(code)
  }

  /** Resolves with the next code that the process is ended with. */
  nextExit(): Promise<number> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  complain(text: string): void {
    this.complaints += text
  }

  signal(signal: StopSignal): void {
    if (this.#signalListeners.length === 0) throw new Error(`nobody listens to ${signal}: the kernel would end it`)
    for (const listener of this.#signalListeners) listener(signal)
  }

  uncaught(error: unknown): void {
    if (this.#errorListeners.length === 0) throw new Error('nobody listens to uncaught errors', { cause: error })
    for (const listener of this.#errorListeners) listener(error)
  }
}
