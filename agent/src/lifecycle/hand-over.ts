import type { Log } from '@regent/runtime/logging/log.ts'
import type { Election } from '../election/election.ts'

/**
 * Lets the leader finish and hand over, and then closes the rest.
 *
 * @returns whether the work is provably over; where it is not, nothing is closed, because every moment counts: the
 * kernel closes the ports
 */
export async function handOver(
  election: Pick<Election, 'stop'>,
  close: () => Promise<void>,
  log: Pick<Log, 'error'>,
): Promise<boolean> {
  if (!(await election.stop())) {
    log.error('stopped-with-work', {
      message: 'work did not end within its budget: the Lease was not given back and runs out',
    })
    return false
  }
  await close()
  return true
}
