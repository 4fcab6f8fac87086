import type { Log } from '@regent/runtime/logging/log.ts'
import { WakeUp } from '../commands/wake-up.ts'
import { isAborted } from '../store/retry.ts'
import type { StateImports } from './state-imports.ts'

/** How often each pod looks, in milliseconds. */
const everyMs = 30_000

/**
 * Removes imports of which nothing is heard any more, until the signal is aborted: who imported has died, and the state
 * must not stay locked. What fails is logged and tried again.
 */
export async function sweepAbandonedImports(
  imports: Pick<StateImports, 'removeAbandoned'>,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const never = new WakeUp()
  while (!isAborted(signal)) {
    await never.wait((0.5 + Math.random()) * everyMs, signal)
    if (isAborted(signal)) return
    try {
      await imports.removeAbandoned()
    } catch (error) {
      log.info('import-sweep-waits', { error: error as Error })
    }
  }
}
