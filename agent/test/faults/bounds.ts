import { failoverBounds, type ElectionTiming } from '@regent/contract/election.ts'

/** What a busy machine with two cores may add to any bound, in milliseconds: the tests share it with other work. */
const noiseMs = 2500

/**
 * Longest time without a leader after a fault, by the contract and with what the machine may add, in milliseconds.
 *
 * @param fault how the contract's name of it begins
 */
export function boundMs(
  timing: ElectionTiming,
  fault: 'planned' | 'killed, with peer' | 'killed, without' | 'hung' | 'node lost',
): number {
  const bounds = failoverBounds(timing, 0, { peers: true, pods: false }, undefined)
  const found = bounds.find((bound) => bound.fault.startsWith(fault))
  if (found?.seconds === undefined) throw new Error(`the contract has no bound for '${fault}'`)
  return found.seconds * 1000 + noiseMs
}
