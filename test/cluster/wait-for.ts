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
  let last: unknown
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline;) {
    try {
      const found = await probe()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      if (error instanceof Stop) throw error.cause
      last = error
    }
    await pause(options.everyMilliseconds ?? 200)
  }
  throw new Error(`${what}: not after ${seconds} s`, last === undefined ? undefined : { cause: last })
}

/** Thrown by a probe for which waiting on is in vain. */
export class Stop extends Error {
  constructor(cause: unknown) {
    super('waiting is in vain', { cause })
  }
}
