import type { Check } from '@regent/runtime/health/check.ts'
import type { Election, ElectionStatus } from '../election/election.ts'

/**
 * An elector that gave no sign of life for longer than this, in seconds, is stalled. It gives one at least every
 * second, whether the API server answers or not; ten seconds are no hiccup of a busy node any more.
 */
export const stalledAfterSeconds = 10

/**
 * Whether only a restart can help. An API server or a control plane that is away is no reason: restarting a fleet
 * makes an outage longer. A stalled event loop needs no check: it cannot answer, and the probe runs into its timeout.
 */
export function livenessChecks(election: Pick<Election, 'silentSeconds'>): readonly Check[] {
  const seconds = election.silentSeconds
  const ok = seconds <= stalledAfterSeconds
  return [
    { name: 'event-loop', ok: true, explanation: 'it answers' },
    {
      name: 'elector',
      ok,
      explanation: ok
        ? `its last sign of life is ${seconds.toFixed(1)} s old`
        : `no sign of life for ${seconds.toFixed(1)} s, expected one within ${stalledAfterSeconds} s; its thread hangs, and the kubelet restarts the container`,
    },
  ]
}

/**
 * Whether this replica can serve: lead now, or take over. A standby is ready; so is a leader without API server.
 *
 * @param stopping whether the process was told to stop
 */
export function readinessChecks({ status }: Pick<Election, 'status'>, stopping: boolean): readonly Check[] {
  const ends = stopping || status.role === 'stopped'
  return [
    {
      name: 'synced',
      ok: status.synced,
      explanation: status.synced
        ? `the Lease was read; ${holderOf(status.holder)}`
        : `the Lease was not read yet; ${whyNotRead(status)}`,
    },
    {
      name: 'prepared',
      ok: status.prepared,
      explanation: status.prepared
        ? 'every work of the leader is prepared here'
        : 'a work of the leader is still preparing; if this lasts, the log has the reason under `prepare-failed`',
    },
    {
      name: 'unobstructed',
      ok: status.obstacle === undefined,
      explanation: status.obstacle ?? 'nothing keeps this replica from competing',
    },
    {
      name: 'staying',
      ok: !ends && status.role !== 'draining',
      explanation: ends
        ? 'this process was told to stop'
        : status.role === 'draining'
          ? 'this leader hands over; it stays as a standby afterwards'
          : roleInWords(status),
    },
  ]
}

function holderOf(holder: string | undefined): string {
  return holder === undefined ? 'nobody holds it' : `held by ${holder}`
}

function whyNotRead({ unreachable, obstacle }: ElectionStatus): string {
  if (unreachable !== undefined) return `the API server does not answer: ${unreachable}`
  return obstacle === undefined ? 'the API server has not answered yet' : 'the obstacle below says why'
}

function roleInWords({ role, cordoned, unreachable }: ElectionStatus): string {
  const aside = cordoned ? '; it was told to stand aside and does not compete' : ''
  const more = unreachable === undefined ? aside : `${aside}; the API server does not answer: ${unreachable}`
  switch (role) {
    case 'leading':
      return `this replica leads${more}`
    case 'suspended':
      return `this replica holds the Lease but could not renew it: no work runs until the API server answers${more}`
    case 'standby':
      return `this replica is a standby${more}`
    default:
      return `this replica is ${role}${more}`
  }
}
