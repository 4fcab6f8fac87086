import type { Census } from './census-record.ts'

/** All agents and what they have to do, in figures of now. Ages are in seconds, 0 where there is nothing of the kind. */
export interface FleetFigures {
  readonly agents: Census['agents']
  readonly leaderless: number
  readonly longestLeaderlessSeconds: number
  readonly fenceConflicts: number
  readonly openCommands: number
  readonly oldestOpenCommandSeconds: number
  readonly unreadable: number
  readonly censusSeconds: number
}

/**
 * An older census says nothing of now, in milliseconds. Between two of them are 10 to 25 seconds, and as many again
 * where the pod whose turn it was has died.
 */
export const freshMs = 60_000

/**
 * What a census says at this moment: what was old when it was taken is older now. `undefined` once the census itself
 * is too old, because the figures of a pod that has lost etcd would stay the highest of all pods for ever.
 *
 * @param nowMs milliseconds since 1970, by this pod's clock; one that is behind the clocks of others makes no age
 * negative
 */
export function fleetFiguresOf(census: Census, nowMs: number): FleetFigures | undefined {
  const { takenAt, tookSeconds, agents, leaderless, fenceConflicts, openCommands, unreadable } = census
  if (nowMs - Date.parse(takenAt) > freshMs) return undefined
  const secondsSince = (time: string | undefined): number =>
    time === undefined ? 0 : Math.max(0, nowMs - Date.parse(time)) / 1000
  return {
    agents,
    leaderless: leaderless.count,
    longestLeaderlessSeconds: secondsSince(leaderless.since),
    fenceConflicts,
    openCommands: openCommands.count,
    oldestOpenCommandSeconds: secondsSince(openCommands.oldestCreatedAt),
    unreadable,
    censusSeconds: tookSeconds,
  }
}
