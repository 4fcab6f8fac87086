import { exitSeconds } from '@regent/contract/election.ts'
import { forcedExitCodes, type Host, type StopSignal } from '../host.ts'
import type { Log } from '../logging/log.ts'
import { exitCodes } from './exit-codes.ts'

/** Left of the grace period when a stop is given up, in milliseconds: the kubelet must not be the one to end it. */
const reserveMilliseconds = 1000

export interface GracefulStopOptions {
  readonly host: Pick<Host, 'exit' | 'onStopSignal'>
  readonly log: Log
  /** Longest that everything may take to be over, in seconds; the exit itself comes on top. */
  readonly budgetSeconds: number
}

/**
 * Ends the process when it is told to: the first SIGTERM or SIGINT lets it finish, a second one ends it where it
 * stands. It ends in any case, a second before the kubelet would kill it.
 */
export class GracefulStop {
  readonly #options: GracefulStopOptions
  #finish: () => Promise<boolean> = () => Promise.resolve(true)
  #isStopping = false

  constructor(options: GracefulStopOptions) {
    this.#options = options
    options.host.onStopSignal((signal) => this.#hear(signal))
  }

  /** Whether the process was told to stop. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  /**
   * From now on there is something to finish.
   *
   * @param finish resolves with whether everything is over; where it is not, or where it rejects, the process ends at
   * once, with {@link exitCodes.notOver}
   */
  guard(finish: () => Promise<boolean>): void {
    this.#finish = finish
  }

  #hear(signal: StopSignal): void {
    const { host, log } = this.#options
    if (this.#isStopping) {
      log.warn('stop-forced', { signal, message: 'a second signal: the process ends where it stands' })
      host.exit(forcedExitCodes[signal])
      return
    }
    this.#isStopping = true
    log.info('stopping', { signal })
    void this.#stop()
  }

  async #stop(): Promise<void> {
    const { host, log, budgetSeconds } = this.#options
    const seconds = budgetSeconds + exitSeconds
    const late = setTimeout(
      () => {
        log.error('stop-overran', { seconds, message: 'the stop took longer than its budgets; the process ends now' })
        host.exit(exitCodes.notOver)
      },
      seconds * 1000 - reserveMilliseconds,
    )
    let isOver = false
    try {
      isOver = await this.#finish()
    } catch (error) {
      log.error('stop-failed', { error: error as Error })
    }
    clearTimeout(late)
    if (isOver) log.info('stopped')
    host.exit(isOver ? exitCodes.over : exitCodes.notOver)
  }
}
