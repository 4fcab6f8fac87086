import { EventEmitter } from 'node:events'
import { Elector } from '../../../agent/src/election/elector.ts'
import type { ElectorOptions, FromElector, ToElector } from '../../../agent/src/election/thread-messages.ts'
import { mustRun, type Thread } from '../world/simulated-process.ts'

/** How long a message between threads takes, in milliseconds: always the same, so that they keep their order. */
const delayMs = 0.2

/** Stands for the worker of `node:worker_threads` that runs the elector: another thread of the simulated process. */
export class Worker extends EventEmitter {
  readonly #own: Thread
  readonly #elector: Thread
  #hears: ((message: ToElector) => void) | undefined
  #isOver = false

  constructor(module: URL, { workerData }: { readonly workerData: ElectorOptions }) {
    super()
    if (!module.pathname.endsWith('/worker.ts'))
      throw new Error(`the simulation runs no ${module.pathname} as a thread`)
    this.#own = mustRun()
    const { process } = this.#own
    this.#elector = process.thread()
    this.#elector.deliver(0, () => {
      const elector = new Elector(
        workerData,
        (message: FromElector) => this.#own.deliver(delayMs, () => this.#tell(message)),
        () => process.kill(),
      )
      this.#hears = (message) => elector.hear(message)
      elector.start()
    })
  }

  postMessage(message: ToElector): void {
    this.#elector.deliver(delayMs, () => {
      if (!this.#isOver) this.#hears?.(message)
    })
  }

  terminate(): Promise<number> {
    this.#isOver = true
    return Promise.resolve(1)
  }

  #tell(message: FromElector): void {
    if (!this.#isOver) this.emit('message', message)
  }
}
