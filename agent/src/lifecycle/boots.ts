import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '@regent/runtime/error-code.ts'

/** Starts within this time count, in milliseconds. */
export const bootWindowMilliseconds = 5 * 60 * 1000
/** With so many starts within the window, this one included, the pod does not take the Lease of its dead self. */
export const tooManyBoots = 3
/** How many starts are remembered. */
const rememberedBoots = 8

export interface Boot {
  /**
   * Whether this pod, if its dead container still holds the Lease, may take it at once: a restart is the fastest
   * takeover. Not in a crash loop: then the Lease runs out, and another replica gets its chance.
   */
  readonly mayRetakeAtOnce: boolean
  /** When the start before this one was remembered, wall clock, in milliseconds; absent if none was within the window. */
  readonly previousStartMs?: number
  /** Why the starts before are unknown; absent when they are known. */
  readonly unknown?: unknown
}

/**
 * Remembers this start of the program in the pod's scratch folder, which survives a restart of the container, and
 * says what follows from those before. What cannot be read as a list of times is as if it were not there; where this
 * start cannot be remembered, the pod waits: else each start of a crash loop would look like the first.
 *
 * @param name tells pods apart where they share a folder, outside of Kubernetes: the pod's UID
 * @param nowMilliseconds wall-clock time; a clock that was set back makes starts count that are long ago, no others
 */
export function recordBoot(folder: string, name: string, nowMilliseconds: number): Boot {
  const file = join(folder, `regent-agent-boots-${name}.json`)
  try {
    const boots = [...timesIn(file), nowMilliseconds]
      .filter((time) => Math.abs(nowMilliseconds - time) < bootWindowMilliseconds)
      .slice(-rememberedBoots)
    // A container that is killed in the middle of this leaves the file as it was.
    writeFileSync(`${file}.new`, JSON.stringify(boots), { mode: 0o600 })
    renameSync(`${file}.new`, file)
    const previousStartMs = boots.at(-2)
    return { mayRetakeAtOnce: boots.length < tooManyBoots, ...(previousStartMs !== undefined && { previousStartMs }) }
  } catch (error) {
    return { mayRetakeAtOnce: false, unknown: error }
  }
}

function timesIn(file: string): readonly number[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
  try {
    const found: unknown = JSON.parse(text)
    return Array.isArray(found) ? found.filter((time): time is number => typeof time === 'number') : []
  } catch {
    return []
  }
}
