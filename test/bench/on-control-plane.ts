import { constants } from 'node:os'
import { startCluster } from '../cluster/cluster.ts'
import { STATE_VARIABLE } from '../cluster/state.ts'

/** Runs a benchmark on a control plane of its own, which is removed at the end and after a signal. */
export async function onControlPlane(benchmark: () => Promise<void>): Promise<void> {
  let remove: (() => Promise<void>) | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void Promise.resolve(remove?.()).finally(() => process.exit(128 + constants.signals[signal]))
    })
  }
  try {
    const { stateFile } = await startCluster({ kind: 'api' }, (removal) => (remove = removal))
    process.env[STATE_VARIABLE] = stateFile
    await benchmark()
  } finally {
    await remove?.()
  }
}
