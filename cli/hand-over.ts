import { setTimeout as pause } from 'node:timers/promises'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { type AgentLeadership, type AgentLease, inWords, leadershipOf, leaseNameOf, podOf } from './agent-leadership.ts'
import type { AgentLeases } from './agent-leases.ts'
import { Refusal } from './errors.ts'
import { noLease } from './no-lease.ts'

/** What became of a request to hand over. */
export interface HandOver {
  readonly agent: string
  /** The pod that led. */
  readonly from: string
  /** The pod that leads now. */
  readonly to: string
  readonly node: string | null
  readonly epoch: string
  /** From the request until the new leader was seen. */
  readonly seconds: number
}

export interface HandOverOptions {
  /** Whether to ask a leader that has no ready standby. */
  readonly force: boolean
  /** How long to wait for another leader. */
  readonly timeoutSeconds: number
  /** The time by the cluster's clock, in milliseconds. */
  readonly time: () => number
}

/** Between two looks at the Lease, in milliseconds: a hand-over takes tenths of a second. */
const lookMilliseconds = 100
/** The leader renews every second or two: a request seldom meets one, and hardly ever so many in a row. */
const mostAttempts = 10

/**
 * Tells the leader of an agent to hand over, and waits until another leads.
 *
 * @throws Refusal when nobody leads, no standby is ready, the cluster refuses, or nobody else leads in time
 */
export async function handOver(leases: AgentLeases, agent: string, options: HandOverOptions): Promise<HandOver> {
  const { holder, before } = await request(leases, agent, options)
  const requestedAt = performance.now()
  const from = podOf(holder)
  const deadline = requestedAt + options.timeoutSeconds * 1000
  let last: { readonly lease: AgentLease | undefined } | { readonly failure: string } = { lease: undefined }
  while (performance.now() < deadline) {
    last = await look(leases, agent)
    const lease = 'lease' in last ? last.lease : undefined
    if (lease !== undefined) {
      const { leader, epoch, node } = leadershipOf(lease, options.time())
      // A new leader writes its epoch right after it has taken the Lease.
      const isNew = leader !== null && epoch !== null && epoch !== before.epoch
      if (isNew && lease.holder !== holder) {
        return { agent, from, to: leader, node, epoch, seconds: (performance.now() - requestedAt) / 1000 }
      }
      // The one before may have been asked before it could write the epoch of the leadership that it still holds.
      if (isNew && before.epoch !== null) throw leadsAgain(agent, from, epoch)
    }
    await pause(Math.min(lookMilliseconds, Math.max(0, deadline - performance.now())))
  }
  throw new Refusal([notInTime(leases, { agent, from, holder }, options.timeoutSeconds, last)])
}

/** Puts the request on the Lease, as often as a renewal comes in between. */
async function request(
  leases: AgentLeases,
  agent: string,
  { force, time }: HandOverOptions,
): Promise<{ readonly holder: string; readonly before: AgentLeadership }> {
  let asked: string | undefined
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const lease = await leases.read(leaseNameOf(agent))
    if (lease === undefined) throw await noLease(leases, agent)
    const before = leadershipOf(lease, time())
    if (before.leader === null) {
      throw new Refusal([`error: nobody leads agent '${agent}': ${before.obstacle ?? 'nobody can be asked'}`])
    }
    asked ??= lease.holder
    if (lease.holder !== asked) {
      throw new Refusal([
        `error: leadership of agent '${agent}' has just moved from ${podOf(asked)} to ${before.leader}; nothing was asked of it`,
      ])
    }
    if (!force && !before.standbys?.some(({ ready }) => ready)) {
      throw new Refusal([
        `error: no standby of agent '${agent}' is ready (${standbysInWords(before)}): nobody would lead until one is; wait for one, or use --force`,
      ])
    }
    if (await leases.annotate(lease, leaseAnnotations.stepDown, lease.holder)) return { holder: lease.holder, before }
  }
  throw new Refusal([
    `error: the Lease of agent '${agent}' changed ${mostAttempts} times while it was asked to hand over; try again`,
  ])
}

async function look(leases: AgentLeases, agent: string) {
  try {
    return { lease: await leases.read(leaseNameOf(agent)) }
  } catch (error) {
    // An API server that is away for a moment does not undo the request.
    if (error instanceof Refusal) return { failure: error.message }
    throw error
  }
}

function leadsAgain(agent: string, pod: string, epoch: string): Refusal {
  return new Refusal([
    `error: ${pod} leads agent '${agent}' again, with epoch ${epoch}: it handed over, and no standby took the Lease; see 'npx regent status ${agent}' for the standbys`,
  ])
}

function standbysInWords({ standbys }: AgentLeadership): string {
  if (standbys === null) return 'the Lease does not tell'
  if (standbys.length === 0) return 'it has none'
  return `not ready: ${standbys.map(({ pod }) => pod).join(', ')}`
}

/** Why the wait ended without another leader, from what was seen last. */
function notInTime(
  { namespace }: AgentLeases,
  { agent, from, holder }: { readonly agent: string; readonly from: string; readonly holder: string },
  timeoutSeconds: number,
  last: { readonly lease: AgentLease | undefined } | { readonly failure: string },
): string {
  const waited = `after ${inWords(timeoutSeconds)}`
  if ('failure' in last) {
    return `error: no other leader of agent '${agent}' was seen ${waited}; ${last.failure.replace(/^error: /, '')}`
  }
  if (last.lease?.holder !== holder) {
    return `error: ${from} handed over, and nobody leads agent '${agent}' ${waited}; see 'npx regent status ${agent}'`
  }
  const isAsked = last.lease.annotations[leaseAnnotations.stepDown] === holder
  return (
    `error: ${from} still leads agent '${agent}' ${waited}` +
    (isAsked
      ? `: it may still drain (at most drainBudgetSeconds of its environment), and the request stays on its Lease; take it back with 'kubectl annotate lease ${leaseNameOf(agent)} -n ${namespace} ${leaseAnnotations.stepDown}-'`
      : ': somebody took the request off its Lease')
  )
}
