import { readFileSync } from 'node:fs'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'

/**
 * Faults inside of a process, loaded into each of its threads before anything else (`NODE_OPTIONS=--import=…`), so that
 * the program itself needs no back door.
 *
 * - The file `FAULT_CLOCK_FILE` holds the milliseconds by which the wall clock is wrong, now.
 * - SIGUSR2 blocks the thread that the file `FAULT_BLOCK_FILE` names, `main` or `elector`, for as many milliseconds as
 *   stand behind its name.
 * - SIGHUP throws in the main thread, where nobody catches.
 */

const clockFile = process.env['FAULT_CLOCK_FILE']
const blockFile = process.env['FAULT_BLOCK_FILE']

function numberIn(file: string): number {
  return Number(readFileSync(file, 'utf8'))
}

if (clockFile !== undefined) {
  const RealDate = Date
  const now = (): number => RealDate.now() + numberIn(clockFile)
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: readonly unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
  })
}

function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

if (blockFile !== undefined) {
  const elector = new BroadcastChannel('block the elector')
  elector.unref()
  if (isMainThread) {
    // Signals come to this thread alone.
    process.on('SIGUSR2', () => {
      const [thread, milliseconds] = readFileSync(blockFile, 'utf8').split(' ')
      if (thread === 'elector') elector.postMessage(milliseconds)
      else block(Number(milliseconds))
    })
  } else {
    elector.onmessage = ({ data }) => block(Number(data))
  }
}

if (isMainThread) {
  process.on('SIGHUP', () => {
    throw new Error('a fault that nobody catches')
  })
}
