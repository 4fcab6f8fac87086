import * as z from 'zod/mini'

/**
 * What a leader writes on its Lease for people and for its standbys, and what `regent status` reads there. All of it
 * may have been edited by hand: readers parse it with these schemas and do without what does not fit.
 * The keys of the annotations are `leaseAnnotations` in `contract/names.ts`.
 *
 * `zod/mini`: an agent loads this in both of its threads, and all of zod would cost 15 MiB and 0.1 s in each.
 */

/** Why a leadership began: what became of the one before. */
export const takeoverReasons = {
  first: 'nobody held the Lease before',
  released: 'the leader stopped and gave the Lease back',
  'step-down': 'a person told the leader to hand over',
  cordoned: 'a person told the leader to stand aside',
  yielded: 'the leader could not reach the control plane, and a standby could',
  'work-failed': "the leader's work ended although it should have gone on",
  expired: 'the leader did not renew the Lease for its whole duration',
  'peer-evidence': "the leader's connection closed and its pod refused another, or another process answered there",
  'pod-evidence': "the leader's container was reported terminated",
  restarted: 'the container that led was restarted, and its pod leads again',
  deleted: 'the Lease was deleted, and its holder created it again',
  cleared: 'the holder was edited away, and took the Lease again',
} as const
export type TakeoverReason = keyof typeof takeoverReasons

/** How many takeovers the Lease remembers. */
export const rememberedTakeovers = 5

const identity = z.string().check(z.maxLength(512))
const milliseconds = z.int().check(z.minimum(0))

/** One takeover, as the new leader saw it. */
export const takeover = z.object({
  epoch: z.string().check(z.regex(/^[0-9]{1,39}$/)),
  /** `podName_podUID_bootUUID` of the new leader. */
  holder: identity,
  /** Of the leader before; absent for the first. */
  from: z.optional(identity),
  /** RFC 3339, by the new leader's clock. */
  at: z.iso.datetime(),
  reason: z.enum(Object.keys(takeoverReasons) as [TakeoverReason]),
  /**
   * When each phase was over, in milliseconds since the new leader saw the first sign: the last renewal that it saw
   * before the Lease ran out, the release, or the connection that closed. `registered` is absent until the control plane
   * has admitted the new leader, and where there is none.
   */
  phases: z.object({ detected: milliseconds, acquired: milliseconds, registered: z.optional(milliseconds) }),
})
export type Takeover = z.infer<typeof takeover>

/** The annotation `takeovers`: newest first. */
export const takeovers = z.array(takeover).check(z.maxLength(rememberedTakeovers))

/** A standby, as the leader knows it from its connection. */
export const standby = z.object({
  pod: z.string().check(z.maxLength(253)),
  /** Whether it would accept leadership now: synced, neither draining nor cordoned, and its work prepared. */
  ready: z.boolean(),
  /** Whether its own probe of the control plane succeeds: to whom a leader that does not reach it may yield. */
  reaches: z.optional(z.boolean()),
})
export type Standby = z.infer<typeof standby>

/** The annotation `link`: how the leader stands with the control plane. */
export const linkState = z.enum(['registered', 'unregistered'])
export type LinkState = z.infer<typeof linkState>

/** The annotation `standbys`. */
export const standbys = z.array(standby).check(z.maxLength(16))
