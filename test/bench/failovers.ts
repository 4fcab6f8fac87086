import { applyEnvironment } from '../delivery/environment.ts'
import { failovers } from '../chain/failovers.ts'
import { check } from '../chain/history/check.ts'
import { say } from '../cluster/progress.ts'
import { onControlPlane } from './on-control-plane.ts'

export interface FailoversBench {
  readonly count: number
  /** Repeats a run. */
  readonly seed: number
}

/**
 * So many faults to the whole chain under a constant stream of commands, and what the history holds. Sets the exit code
 * where anything was lost, done twice, or accepted of a leadership that was over.
 */
export function benchFailovers({ count, seed }: FailoversBench): Promise<void> {
  return onControlPlane(async () => {
    await applyEnvironment('local')
    console.log(`seed ${seed}, ${count} faults, a lease of 4 s instead of 6`)
    const { violations, counted } = check(await failovers({ count, seed, say }))
    for (const [name, number] of Object.entries(counted)) console.log(`${name.padEnd(12)} ${number}`)
    console.log(`${violations.length} violations`)
    for (const { invariant, what } of violations.slice(0, 50)) console.log(`${invariant}: ${what}`)
    if (violations.length > 0) process.exitCode = 1
  })
}
