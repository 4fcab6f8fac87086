import { runningThread } from '../world/simulated-process.ts'

/** `setTimeout` of `node:timers/promises`, by the timers of the simulated process. */
export function setTimeout<T>(ms?: number, value?: T, options: { readonly signal?: AbortSignal } = {}): Promise<T> {
  const { signal } = options
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      globalThis.clearTimeout(timer)
      reject(new DOMException('The operation was aborted', 'AbortError'))
    }
    if (runningThread() === undefined) throw new Error('a simulated timer outside of every simulated process')
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve(value as T)
    }, ms)
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}
