import { setTimeout as pause } from 'node:timers/promises'

export interface WaitOptions {
  /** @default 60 */
  readonly seconds?: number
  /** Between two looks. @default 200 */
  readonly everyMilliseconds?: number
}

/**
 * Looks until `probe` returns something else than undefined or false, and returns that. A probe that throws is asked
 * again: the API server refuses connections while it starts.
 * @throws when the time is over, with what was last seen
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const seconds = options.seconds ?? 60
  const deadlineMs = performance.now() + seconds * 1000
  let last: unknown
  for (;;) {
    // Looks once more when the time is over: this process may have stood still while what it waits for came.
    const isLast = performance.now() >= deadlineMs
    try {
      const found = await probe()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      if (error instanceof Stop) throw error.cause
      last = error
    }
    if (isLast) throw new Error(`${what}: not after ${seconds} s`, last === undefined ? undefined : { cause: last })
    await pause(options.everyMilliseconds ?? 200)
  }
}

/** Thrown by a probe for which waiting on is in vain. */
export class Stop extends Error {
  constructor(cause: unknown) {
    super('waiting is in vain', { cause })
  }
}
