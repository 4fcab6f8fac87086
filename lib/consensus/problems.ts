import type { Problem } from '@regent/contract/problem.ts'
import { inBytes } from '../config/quantity.ts'
import type { Environment } from '../config/environment.ts'

/** etcd refuses less than five heartbeats per election timeout. */
const fewestHeartbeatsPerElection = 5

/** What is wrong with the consensus of an environment beyond its schema. */
export function consensusProblems(environment: Environment): readonly Problem[] {
  const { name, purpose, consensus } = environment
  if (consensus === null) return []
  const problems: Problem[] = []
  const add = (path: string, received: string, expected: string, fix: string) =>
    problems.push({ path: `${name}.consensus.${path}`, received, expected, fix, severity: 'error' })

  const { members } = consensus
  if (members === 1 && purpose !== 'development') {
    add(
      'members',
      '1',
      'an odd number from 3 to 11 outside of development',
      'use 3: a single member loses everything with its node',
    )
  } else if (members % 2 === 0) {
    const nearest = members === 2 ? '3' : `${members - 1} or ${members + 1}`
    add(
      'members',
      String(members),
      'an odd number from 3 to 11',
      `use ${nearest}: an even number survives no more losses than the odd one below it`,
    )
  }
  const { heartbeatIntervalMilliseconds: heartbeat, electionTimeoutMilliseconds: election } = consensus
  if (election < fewestHeartbeatsPerElection * heartbeat) {
    add(
      'electionTimeoutMilliseconds',
      String(election),
      `at least ${fewestHeartbeatsPerElection} × heartbeatIntervalMilliseconds (${heartbeat})`,
      `use ${fewestHeartbeatsPerElection * heartbeat} or more: etcd refuses to start otherwise`,
    )
  }
  if (inBytes(consensus.quotaBackend) >= inBytes(consensus.storage.size)) {
    add(
      'quotaBackend',
      consensus.quotaBackend,
      `less than storage.size (${consensus.storage.size})`,
      'use at most half of the volume: log, snapshots and a defragmentation need room beside the store',
    )
  }
  if (purpose !== 'development' && consensus.tls === null) {
    add(
      'tls',
      'null',
      'Secrets outside of development',
      'name the four Secrets: everything that the control plane knows would travel in the clear, and whoever reaches etcd could do everything there',
    )
  }
  return problems
}
