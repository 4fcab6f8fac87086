import { filled, leaseAnnotations, objectNames } from '@regent/contract/names.ts'
import {
  type LinkState,
  linkState,
  type Standby,
  standbys,
  type Takeover,
  takeover,
  type TakeoverReason,
  takeoverReasons,
  takeovers,
} from '@regent/contract/takeover.ts'

/** As much of a Lease as is read here. */
export interface AgentLease {
  readonly name: string
  readonly resourceVersion: string
  readonly annotations: Readonly<Record<string, string>>
  /** `podName_podUID_bootUUID` of the leader; '' when nobody holds the Lease. */
  readonly holder: string
  readonly durationSeconds: number | undefined
  readonly renewedAt: Date | undefined
}

/** Who leads an agent, and how it came to that. What is `null` is not on the Lease, or is not what a leader writes. */
export interface AgentLeadership {
  readonly agent: string
  /** The pod that leads; `null` when nobody does. */
  readonly leader: string | null
  /** Why nobody leads; `null` when somebody does. */
  readonly obstacle: string | null
  /** Of the leader, or of the last one. */
  readonly node: string | null
  /** Of the leader, or of the last one, as text: it may have more digits than a number can hold. */
  readonly epoch: string | null
  /** When this leadership began, RFC 3339. */
  readonly since: string | null
  readonly reason: TakeoverReason | null
  /** Since the Lease was renewed last, in seconds. */
  readonly ageSeconds: number | null
  readonly durationSeconds: number | null
  /** How the leader stands with the control plane. */
  readonly link: LinkState | null
  /** As the leader knows them from their connections. */
  readonly standbys: readonly Standby[] | null
  /** Pods that a person told to stand aside. */
  readonly cordoned: readonly string[]
  /** The last takeovers, newest first. */
  readonly takeovers: readonly Takeover[] | null
}

const [leaseNamePrefix = ''] = objectNames.agentLease.split('{agentId}')

/** The agent that a Lease is of, or `undefined` for a Lease of somebody else. */
export function agentOf(leaseName: string): string | undefined {
  return leaseName.startsWith(leaseNamePrefix) ? leaseName.slice(leaseNamePrefix.length) : undefined
}

/** The name of an agent's Lease. */
export function leaseNameOf(agentId: string): string {
  return filled(objectNames.agentLease, { agentId })
}

/**
 * What a Lease says. Whether it has run out is judged by the time at which its holder says to have renewed it: good
 * enough for people. Standbys judge it by their own clocks.
 *
 * @param now in milliseconds
 */
export function leadershipOf(lease: AgentLease, now: number): AgentLeadership {
  const { annotations, holder, durationSeconds, renewedAt } = lease
  const ageSeconds = renewedAt === undefined ? undefined : Math.max(0, (now - renewedAt.getTime()) / 1000)
  const hasRunOut = ageSeconds !== undefined && durationSeconds !== undefined && ageSeconds > durationSeconds
  const obstacle =
    holder === ''
      ? nobodyHolds(annotations[leaseAnnotations.releasedBy], renewedAt)
      : hasRunOut
        ? `${podOf(holder)} has not renewed the Lease for ${inWords(ageSeconds)}`
        : null
  const since = Date.parse(annotations[leaseAnnotations.since] ?? '')
  return {
    agent: agentOf(lease.name) ?? lease.name,
    leader: obstacle === null ? podOf(holder) : null,
    obstacle,
    node: annotations[leaseAnnotations.node] ?? null,
    epoch: fitting(takeover.shape.epoch, annotations[leaseAnnotations.epoch]),
    since: Number.isNaN(since) ? null : new Date(since).toISOString(),
    reason: fitting(takeover.shape.reason, annotations[leaseAnnotations.reason]),
    ageSeconds: ageSeconds ?? null,
    durationSeconds: durationSeconds ?? null,
    link: obstacle === null ? fitting(linkState, annotations[leaseAnnotations.link]) : null,
    standbys: fitting(standbys, parsedJson(annotations[leaseAnnotations.standbys])),
    cordoned: (annotations[leaseAnnotations.cordoned] ?? '')
      .split(',')
      .map((pod) => pod.trim())
      .filter((pod) => pod !== ''),
    takeovers: fitting(takeovers, parsedJson(annotations[leaseAnnotations.takeovers])),
  }
}

function nobodyHolds(releasedBy: string | undefined, renewedAt: Date | undefined): string {
  if (releasedBy !== undefined && releasedBy !== '') {
    return `${podOf(releasedBy)} gave the Lease back, and nobody has taken it`
  }
  return renewedAt === undefined
    ? 'no replica has led yet'
    : 'the Lease has no holder, and no leader gave it back: somebody edited it'
}

/** The pod of an identity `podName_podUID_bootUUID`; whatever else somebody wrote there as it is. */
export function podOf(identity: string): string {
  const [pod = '', ...rest] = identity.split('_')
  return rest.length === 2 && pod !== '' ? pod : identity
}

/** Why leadership changed, in words. */
export function reasonInWords(reason: TakeoverReason | null): string {
  return reason === null ? 'unknown' : `${takeoverReasons[reason]} (${reason})`
}

/** A time span as people say it: `0.4 s`, `12 s`, `3 h 2 min`, `5 d 1 h`. */
export function inWords(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false }
}

/** The value if it is what a leader would have written: annotations may be edited by anyone who may edit the Lease. */
function fitting<T>(schema: Schema<T>, value: unknown): T | null {
  const parsed = schema.safeParse(value)
  return parsed.success ? parsed.data : null
}

function parsedJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
