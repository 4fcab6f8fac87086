/** Signals that stop the process. */
export type StopSignal = 'SIGTERM' | 'SIGINT'

/** Code of a process that a second signal ended, as shells and Kubernetes number it. */
export const forcedExitCodes: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 }

/** What the program needs of the process that it is, so that tests can be one. */
export interface Host {
  /** Calls the listener for every SIGTERM and SIGINT, which end the process no more by themselves. */
  onStopSignal(listener: (signal: StopSignal) => void): void
  /** Calls the listener for an error that nobody caught, thrown or as a rejection. */
  onUncaught(listener: (error: unknown) => void): void
  /** Ends the process at once. Its sockets are closed by the kernel. */
  exit(code: number): void
  /** Writes text for people to standard error, at once. */
  complain(text: string): void
}

/** The process of Node. */
export const nodeHost: Host = {
  onStopSignal: (listener) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => listener(signal))
  },
  onUncaught: (listener) => {
    // Rejections that nobody handles come here, too.
    process.on('uncaughtException', listener)
  },
  exit: (code) => process.exit(code),
  complain: (text) => void process.stderr.write(text),
}
