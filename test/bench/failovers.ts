import { constants } from 'node:os'
import { applyEnvironment } from '../delivery/environment.ts'
import { failovers } from '../chain/failovers.ts'
import { check } from '../chain/history/check.ts'
import { startCluster } from '../cluster/cluster.ts'
import { say } from '../cluster/progress.ts'
import { STATE_VARIABLE } from '../cluster/state.ts'

export interface FailoversBench {
  readonly count: number
  /** Repeats a run. */
  readonly seed: number
}

/**
 * So many faults to the whole chain under a constant stream of commands, and what the history holds. Sets the exit code
 * where anything was lost, done twice, or accepted of a leadership that was over.
 */
export async function benchFailovers({ count, seed }: FailoversBench): Promise<void> {
  let remove: (() => Promise<void>) | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void Promise.resolve(remove?.()).finally(() => process.exit(128 + constants.signals[signal]))
    })
  }
  try {
    const { stateFile } = await startCluster({ kind: 'api' }, (removal) => (remove = removal))
    process.env[STATE_VARIABLE] = stateFile
    await applyEnvironment('local')
    console.log(`seed ${seed}, ${count} faults, a lease of 4 s instead of 6`)
    const { violations, counted } = check(await failovers({ count, seed, say }))
    for (const [name, number] of Object.entries(counted)) console.log(`${name.padEnd(12)} ${number}`)
    console.log(`${violations.length} violations`)
    for (const { invariant, what } of violations.slice(0, 50)) console.log(`${invariant}: ${what}`)
    if (violations.length > 0) process.exitCode = 1
  } finally {
    await remove?.()
  }
}
