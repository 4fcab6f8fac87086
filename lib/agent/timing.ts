import { type ElectionTiming, electionProfiles } from '@regent/contract/election.ts'
import type { DeepReadonly } from '../config/environment.ts'
import type { AgentSettings } from './settings.ts'

/** The election's timing: the profile's, with what the environment sets itself. */
export function electionTiming(election: DeepReadonly<AgentSettings['leaderElection']>): ElectionTiming {
  const profile = electionProfiles[election.profile]
  return {
    leaseDurationSeconds: election.leaseDurationSeconds ?? profile.leaseDurationSeconds,
    renewDeadlineSeconds: election.renewDeadlineSeconds ?? profile.renewDeadlineSeconds,
    retryPeriodSeconds: election.retryPeriodSeconds ?? profile.retryPeriodSeconds,
    abortBudgetSeconds: election.abortBudgetSeconds ?? profile.abortBudgetSeconds,
  }
}
