import {
  type ElectionProfile,
  type ElectionTiming,
  type FailoverBound,
  failoverBounds,
} from '@regent/contract/election.ts'
import { electionTiming } from '../lib/agent/timing.ts'
import type { Environment } from '../lib/config/environment.ts'

/** What holds for the agent of one environment when something fails. */
export interface Failover {
  readonly environment: string
  readonly replicas: number
  /** Profile and timing; `null` where nobody is elected. */
  readonly election: (ElectionTiming & { readonly profile: ElectionProfile }) | null
  /** What holds instead, where no standby is there to take over. */
  readonly without: string | null
  /** `seconds` is missing where there is no failover to wait for. */
  readonly bounds: readonly FailoverBound[]
}

const without =
  'no standby and no bound: the kubelet restarts a container that ends or hangs, the Deployment replaces a pod whose node is gone'

/** Computes the bounds of a valid environment. */
export function failoverOf({ name, agent, consensus }: Environment): Failover {
  const { replicas, leaderElection, drainBudgetSeconds } = agent
  const timing = electionTiming(leaderElection)
  const election = leaderElection.enabled ? { profile: leaderElection.profile, ...timing } : null
  // A leader without a standby is not followed by anybody: the bounds are those of a takeover.
  if (election === null || replicas < 2) return { environment: name, replicas, election, without, bounds: [] }
  const electionTimeoutSeconds = consensus === null ? undefined : consensus.electionTimeoutMilliseconds / 1000
  return {
    environment: name,
    replicas,
    election,
    without: null,
    bounds: failoverBounds(timing, drainBudgetSeconds, leaderElection.evidence, electionTimeoutSeconds),
  }
}
