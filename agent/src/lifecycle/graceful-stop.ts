import { exitSeconds } from '@regent/contract/election.ts'
import type { Election } from '../election/election.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { forcedExitCodes, type Host, type StopSignal } from '@regent/runtime/host.ts'
import { exitCodes } from './exit-codes.ts'

/** Left of the grace period when a stop is given up, in milliseconds: the kubelet must not be the one to end it. */
const reserveMilliseconds = 1000

export interface GracefulStopOptions {
  readonly host: Pick<Host, 'exit' | 'onStopSignal'>
  readonly log: Log
  /** Longest that handing over may take, in seconds. */
  readonly drainBudgetSeconds: number
  /** Longest that the work may take to end once it was told to, in seconds. */
  readonly abortBudgetSeconds: number
}

/**
 * Ends the process when it is told to: the first SIGTERM or SIGINT lets the leader finish and hand over, a second one
 * ends the process where it stands. It ends in any case, a second before the kubelet would kill it.
 */
export class GracefulStop {
  readonly #options: GracefulStopOptions
  #election: Pick<Election, 'stop'> | undefined
  #close: () => Promise<void> = () => Promise.resolve()
  #isStopping = false

  constructor(options: GracefulStopOptions) {
    this.#options = options
    options.host.onStopSignal((signal) => this.#hear(signal))
  }

  /** Whether the process was told to stop. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  /** From now on there is a leadership to hand over, and something to close when that is over. */
  guard(election: Pick<Election, 'stop'>, close: () => Promise<void>): void {
    this.#election = election
    this.#close = close
  }

  #hear(signal: StopSignal): void {
    const { host, log } = this.#options
    if (this.#isStopping) {
      log.warn('stop-forced', { signal, message: 'a second signal: the process ends without handing over' })
      host.exit(forcedExitCodes[signal])
      return
    }
    this.#isStopping = true
    log.info('stopping', { signal })
    void this.#stop()
  }

  async #stop(): Promise<void> {
    const { host, log, drainBudgetSeconds, abortBudgetSeconds } = this.#options
    const seconds = drainBudgetSeconds + abortBudgetSeconds + exitSeconds
    const late = setTimeout(
      () => {
        log.error('stop-overran', { seconds, message: 'the stop took longer than its budgets; the process ends now' })
        host.exit(exitCodes.notOver)
      },
      seconds * 1000 - reserveMilliseconds,
    )
    let isOver = true
    try {
      isOver = (await this.#election?.stop()) ?? true
      // Where work may still run, every moment counts: the ports are closed by the kernel.
      if (isOver) await this.#close()
    } catch (error) {
      log.error('stop-failed', { error: error as Error })
      isOver = false
    }
    clearTimeout(late)
    if (isOver) log.info('stopped', { message: 'no work runs any more' })
    else {
      log.error('stopped-with-work', {
        message: 'work did not end within its budget: the Lease was not given back and runs out',
      })
    }
    host.exit(isOver ? exitCodes.over : exitCodes.notOver)
  }
}
