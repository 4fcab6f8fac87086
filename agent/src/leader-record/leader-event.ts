import { createHash } from 'node:crypto'
import { labelDomain } from '@regent/contract/names.ts'
import { takeoverReasons } from '@regent/contract/takeover.ts'
import { parseIdentity } from '../election/identity.ts'
import type { Leadership } from '../election/leadership.ts'

/** Longest name of a reporter that the API server accepts. */
const longestReporter = 128

/** The Lease that an Event is about. */
export interface EventSubject {
  readonly name: string
  readonly namespace: string
  /** `kubectl describe` shows the Events of exactly this object. */
  readonly uid: string
}

/** An Event (`events.k8s.io/v1`) but for its time, which is that of its writing. */
export interface LeaderEvent {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly action: string
  readonly note: string
  readonly regarding: EventSubject & { readonly apiVersion: string; readonly kind: string }
  readonly reportingController: string
  readonly reportingInstance: string
}

/**
 * The Event of a leadership, as `kubectl describe lease` shows it. Its name follows from the lineage and the epoch, so
 * that an attempt that is repeated makes no second one.
 */
export function leaderEvent(leadership: Leadership, subject: EventSubject): LeaderEvent {
  const { epoch, lineage, holder, reason, phases } = leadership
  const pod = parseIdentity(holder)?.pod ?? holder
  const key = createHash('sha256').update(`${lineage}/${epoch.toString()}`).digest('hex').slice(0, 16)
  return {
    metadata: { name: `${subject.name}.${key}`, namespace: subject.namespace },
    type: 'Normal',
    reason: 'LeaderElected',
    action: 'Elect',
    note: `${pod} leads with epoch ${epoch.toString()}: ${takeoverReasons[reason]}; detected after ${phases.detected} ms, acquired after ${phases.acquired} ms`,
    regarding: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...subject },
    reportingController: `${labelDomain}/agent`,
    reportingInstance: pod.slice(0, longestReporter),
  }
}
