import { runningThread, SimulatedTimer } from './simulated-process.ts'

/** The real ones, for the simulator itself. */
export const real = {
  setImmediate: globalThis.setImmediate,
  performanceNow: performance.now.bind(performance),
}

const original = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  random: Math.random,
  hrtime: process.hrtime.bigint.bind(process.hrtime),
  signalTimeout: AbortSignal.timeout.bind(AbortSignal),
  signalAny: AbortSignal.any.bind(AbortSignal),
}
const RealDate = globalThis.Date

type Start = (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => unknown

/**
 * Replaces the clocks, timers and random numbers of this Node process: code of a simulated process gets those of that
 * process, everything else the real ones. For a process that does nothing but simulate.
 */
export function replaceGlobals(): void {
  const start =
    (repeats: boolean, otherwise: Start) =>
    (run: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): unknown => {
      const thread = runningThread()
      return thread === undefined ? otherwise(run, ms, ...args) : thread.timer(ms, () => run(...args), repeats)
    }
  const clear =
    (otherwise: typeof globalThis.clearTimeout) =>
    (timer: unknown): void => {
      if (timer instanceof SimulatedTimer) timer.isOver = true
      else otherwise(timer as Parameters<typeof globalThis.clearTimeout>[0])
    }
  Object.assign(globalThis, {
    setTimeout: start(false, original.setTimeout),
    setInterval: start(true, original.setInterval),
    clearTimeout: clear(original.clearTimeout),
    clearInterval: clear(original.clearInterval),
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]): unknown => {
      const thread = runningThread()
      if (thread === undefined) return original.setImmediate(run, ...args)
      thread.deliver(0, () => run(...args))
      return undefined
    },
    Date: SimulatedDate,
  })
  Math.random = () => (runningThread()?.process.world.random ?? original.random)()
  performance.now = () => runningThread()?.process.monotonicMs ?? real.performanceNow()
  process.hrtime.bigint = () => {
    const thread = runningThread()
    return thread === undefined ? original.hrtime() : BigInt(Math.round(thread.process.monotonicMs * 1e6))
  }
  AbortSignal.timeout = (ms) => {
    const thread = runningThread()
    if (thread === undefined) return original.signalTimeout(ms)
    const late = new AbortController()
    thread.timer(ms, () => late.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')))
    return late.signal
  }
  // Node keeps each of its own alive until it is aborted, and with it the whole world of a run that is over.
  AbortSignal.any = (signals) => {
    if (runningThread() === undefined) return original.signalAny(signals)
    const any = new AbortController()
    for (const signal of signals) {
      if (signal.aborted) any.abort(signal.reason)
      else signal.addEventListener('abort', () => any.abort(signal.reason), { once: true })
    }
    return any.signal
  }
}

class SimulatedDate extends RealDate {
  constructor(...args: readonly [] | ConstructorParameters<DateConstructor>) {
    if (args.length === 0) super(SimulatedDate.now())
    else super(...args)
  }

  static override now(): number {
    const wallMs = runningThread()?.process.wallMs
    return wallMs === undefined ? RealDate.now() : Math.floor(wallMs)
  }
}
