import { exitSeconds } from '@regent/contract/election.ts'
import { forcedExitCodes, type Host } from '@regent/runtime/host.ts'
import type { Log } from '@regent/runtime/logging/log.ts'

/** How the process ends. Kubernetes shows the code in the container's `lastState`. */
export const exitCodes = {
  /** It was told to stop, and everything was closed. */
  over: 0,
  /** It failed: an error that nobody caught, a port that is taken. The log has the reason. */
  failed: 1,
  /** Its configuration is wrong. Standard error has a line for each problem. */
  misconfigured: 2,
  /** It was told to stop, and did not get to its end in time. Nothing is lost: what was acknowledged is in etcd. */
  notOver: 4,
} as const

/** Left of the grace period when a stop is given up, in milliseconds: the kubelet must not be the one to end it. */
const reserveMilliseconds = 1000

export interface GracefulStopOptions {
  readonly host: Pick<Host, 'exit' | 'onStopSignal'>
  readonly log: Log
  /** Longest that agents may take to move to another pod, in seconds. */
  readonly drainBudgetSeconds: number
}

/** Ends the process when it is told to; a second signal ends it where it stands. */
export class GracefulStop {
  readonly #options: GracefulStopOptions
  #close: () => Promise<void> = () => Promise.resolve()
  #isStopping = false

  constructor(options: GracefulStopOptions) {
    const { host, log } = options
    this.#options = options
    host.onStopSignal((signal) => {
      if (this.#isStopping) {
        log.warn('stop-forced', { signal, message: 'a second signal: the process ends where it stands' })
        host.exit(forcedExitCodes[signal])
        return
      }
      this.#isStopping = true
      log.info('stopping', { signal })
      void this.#stop()
    })
  }

  /** Whether the process was told to stop. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  /** From now on there is something to close. */
  guard(close: () => Promise<void>): void {
    this.#close = close
  }

  async #stop(): Promise<void> {
    const { host, log, drainBudgetSeconds } = this.#options
    const late = setTimeout(
      () => {
        log.error('stop-overran', { message: 'closing took longer than its budget; the process ends now' })
        host.exit(exitCodes.notOver)
      },
      (drainBudgetSeconds + exitSeconds) * 1000 - reserveMilliseconds,
    )
    try {
      await this.#close()
      log.info('stopped')
      host.exit(exitCodes.over)
    } catch (error) {
      log.error('stop-failed', { error: error as Error })
      host.exit(exitCodes.failed)
    } finally {
      clearTimeout(late)
    }
  }
}
