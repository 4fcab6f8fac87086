import { type Problem } from './problem.ts'

/** The timing of an election, in seconds. Every value is measured on the local clock of the one that it binds. */
export interface ElectionTiming {
  /** After this long without a change of the Lease a standby may take it. */
  readonly leaseDurationSeconds: number
  /** After this long without an acknowledged renewal, counted from that renewal's request, a leader steps down. */
  readonly renewDeadlineSeconds: number
  /** A leader renews this often. */
  readonly retryPeriodSeconds: number
  /** From stepping down until no work of the leader runs any more. */
  readonly abortBudgetSeconds: number
}

/** The named profiles. `fast` is the default; `standard` and `patient` are what the published systems use. */
export const electionProfiles = {
  fast: { leaseDurationSeconds: 6, renewDeadlineSeconds: 4, retryPeriodSeconds: 1.5, abortBudgetSeconds: 1 },
  standard: { leaseDurationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2, abortBudgetSeconds: 3 },
  patient: { leaseDurationSeconds: 60, renewDeadlineSeconds: 15, retryPeriodSeconds: 5, abortBudgetSeconds: 10 },
} as const satisfies Record<string, ElectionTiming>

export type ElectionProfile = keyof typeof electionProfiles

/** One attempt to renew or to take the Lease takes at most this long, in seconds. */
export const attemptSeconds = 1
/** A standby waits up to this much longer than the lease, in seconds, so that standbys do not collide. */
export const standbyJitterSeconds = 0.2
/** What a GET and a PUT at the API server may take when it is well, in seconds. */
export const takeoverWriteSeconds = 0.3
/** What it takes at most to see that a leader's connection closed and that its pod refuses another, in seconds. */
export const peerConfirmSeconds = 0.25
/**
 * What a kubelet that is well takes to see that a container ended and to report it, in seconds: it looks once a
 * second. An image that is pulled, or a kubelet that is throttled, delays the report; the Lease then runs out first.
 */
export const containerReportSeconds = 1.7
/** A main thread that stalls for longer than this, in seconds, is no longer renewed for. */
export const stallSeconds = 2
/** A leader is hard-killed at least this long before another may start, in seconds. */
export const safetyMarginSeconds = 1
/** What is left of the grace period after drain and abort for closing connections and exiting, in seconds. */
export const exitSeconds = 5
/** client-go's factor between two renewals, jitter included. */
const jitterFactor = 1.2

/** Whole milliseconds: sums of decimal fractions miss a limit by less than that, and read badly. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}

/**
 * Everything that makes a timing impossible. Refused at synth and again by the program at its start.
 *
 * @param paths where each value stands in what the user wrote
 */
export function timingProblems(
  timing: ElectionTiming,
  paths: Readonly<Record<keyof ElectionTiming, string>>,
): readonly Problem[] {
  const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds, abortBudgetSeconds } = timing
  const problems: Problem[] = []
  const latestEnd = rounded(renewDeadlineSeconds + abortBudgetSeconds)
  if (latestEnd > leaseDurationSeconds - safetyMarginSeconds) {
    problems.push({
      path: paths.leaseDurationSeconds,
      received: String(leaseDurationSeconds),
      expected: `at least renewDeadlineSeconds (${renewDeadlineSeconds}) + abortBudgetSeconds (${abortBudgetSeconds}) + ${safetyMarginSeconds} s`,
      fix: `use ${latestEnd + safetyMarginSeconds}, or shorten the other two: a leader must have stopped before another may start`,
      severity: 'error',
    })
  }
  const fewest = rounded(Math.max(jitterFactor * retryPeriodSeconds, retryPeriodSeconds + attemptSeconds))
  if (renewDeadlineSeconds <= fewest) {
    problems.push({
      path: paths.renewDeadlineSeconds,
      received: String(renewDeadlineSeconds),
      expected: `more than ${fewest} s, which is one retryPeriodSeconds (${retryPeriodSeconds}) and one attempt`,
      fix: 'renew more often, or give the leader longer before it steps down: one slow request would end its leadership',
      severity: 'error',
    })
  }
  return problems
}

/** The problem with a grace period that would kill an agent in the middle of its graceful stop, if it is one. */
export function gracePeriodProblems(
  path: string,
  budgets: {
    readonly terminationGracePeriodSeconds: number
    readonly drainBudgetSeconds: number
    readonly abortBudgetSeconds: number
  },
): readonly Problem[] {
  const { terminationGracePeriodSeconds, drainBudgetSeconds, abortBudgetSeconds } = budgets
  const fewest = rounded(drainBudgetSeconds + abortBudgetSeconds + exitSeconds)
  if (terminationGracePeriodSeconds >= fewest) return []
  return [
    {
      path,
      received: String(terminationGracePeriodSeconds),
      expected: `at least drain (${drainBudgetSeconds}) + abort (${abortBudgetSeconds}) + ${exitSeconds} s`,
      fix: `use ${fewest} or more: a pod that is killed while it drains cannot hand over`,
      severity: 'error',
    },
  ]
}

/** How long nobody leads after a fault, at worst, and where the number comes from. */
export interface FailoverBound {
  readonly fault: string
  /** Longest time without a leader, in seconds; `undefined` where there is no failover to wait for. */
  readonly seconds: number | undefined
  readonly formula: string
  readonly note: string
}

/**
 * The worst case per fault that follows from a timing, for an API server that is well. A pause of the whole machine
 * in which no clock advances is outside of it: there only the fences hold.
 *
 * @param evidence which evidence of a leader's death its standbys act upon
 * @param electionTimeoutSeconds of the etcd behind the control plane; `undefined` where it is elsewhere
 */
export function failoverBounds(
  timing: ElectionTiming,
  drainBudgetSeconds: number,
  evidence: { readonly peers: boolean; readonly pods: boolean },
  electionTimeoutSeconds: number | undefined,
): readonly FailoverBound[] {
  const { leaseDurationSeconds: lease, renewDeadlineSeconds: deadline } = timing
  const byLease = rounded(lease + standbyJitterSeconds + takeoverWriteSeconds)
  const leaseFormula = `lease ${lease} + jitter ${standbyJitterSeconds} + write ${takeoverWriteSeconds}`
  const bounds: FailoverBound[] = [
    {
      fault: 'planned (rollout, drain, delete)',
      seconds: standbyJitterSeconds + takeoverWriteSeconds,
      formula: `jitter ${standbyJitterSeconds} + write ${takeoverWriteSeconds}`,
      note: `after the old leader has finished draining, which takes at most ${drainBudgetSeconds} s in which it still leads`,
    },
    ...evidenceBounds(evidence, byLease),
    {
      fault: 'killed, without evidence',
      seconds: byLease,
      formula: leaseFormula,
      note: 'SIGKILL, OOM or crash: the Lease runs out',
    },
    {
      fault: 'hung (event loop blocked)',
      seconds: rounded(stallSeconds + byLease),
      formula: `stall ${stallSeconds} + ${leaseFormula}`,
      note: 'renewals stop once the stall is seen, then the Lease runs out',
    },
    { fault: 'node lost or cut off', seconds: byLease, formula: leaseFormula, note: 'the Lease runs out' },
    {
      fault: `API server away for up to ${deadline} s`,
      seconds: 0,
      formula: `outage < renew deadline ${deadline}`,
      note: 'the leader keeps leading',
    },
    {
      fault: `API server away for longer`,
      seconds: undefined,
      formula: `suspended from ${deadline} s until it is back`,
      note: 'nobody can take over without the API server; the same leader resumes with the same epoch',
    },
  ]
  if (electionTimeoutSeconds !== undefined) {
    bounds.push({
      fault: 'leader of etcd lost',
      seconds: 2 * electionTimeoutSeconds,
      formula: `2 × election timeout ${electionTimeoutSeconds}`,
      note: 'the control plane cannot store anything meanwhile: none of the bounds above holds in this window',
    })
  }
  return bounds
}

/** What evidence of a killed leader saves; nothing where the Lease runs out as soon. */
function evidenceBounds(
  { peers, pods }: { readonly peers: boolean; readonly pods: boolean },
  byLease: number,
): readonly FailoverBound[] {
  const bounds: FailoverBound[] = []
  if (peers) {
    bounds.push({
      fault: 'killed, with peer evidence',
      seconds: rounded(peerConfirmSeconds + takeoverWriteSeconds),
      formula: `confirm ${peerConfirmSeconds} + write ${takeoverWriteSeconds}`,
      note: "the leader's connection closed and its pod refuses another; its node and the network are well",
    })
  }
  if (pods) {
    bounds.push({
      fault: 'killed, with pod evidence',
      seconds: rounded(containerReportSeconds + takeoverWriteSeconds),
      formula: `report ${containerReportSeconds} + write ${takeoverWriteSeconds}`,
      note: "the leader's container is reported terminated; its node and the kubelet are well",
    })
  }
  return bounds.filter(({ seconds }) => seconds !== undefined && seconds < byLease)
}
