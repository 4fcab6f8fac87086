import type { LinkState } from '@regent/contract/takeover.ts'
import type { ApiServer } from './api-server.ts'
import type { ElectionEvents, ElectionStatus } from './election.ts'
import type { EndReason } from './leadership.ts'
import type { MachineOptions, Reign } from './state.ts'

/** Everything that the elector's thread is told at its start. All of it can be cloned. */
export interface ElectorOptions {
  readonly machine: MachineOptions
  readonly agentId: string
  readonly api: ApiServer
  readonly listen: { readonly address: string; readonly port: number }
  readonly evidence: { readonly peers: boolean; readonly pods: boolean }
  /** Selects the pods of this agent, as `key=value,key=value`. */
  readonly podSelector: string
  /** When this process began, wall clock, in milliseconds: which container of the pod is ours. */
  readonly processStartedAtMs: number
  /** When the process before this one in the pod began: what is not younger is not our container. */
  readonly previousStartMs?: number
  /** Memory of a {@link SharedDeadline}. */
  readonly deadline: SharedArrayBuffer
}

/** From the main thread to the elector's. */
export type ToElector =
  | { readonly type: 'prepared' }
  | { readonly type: 'work-ended'; readonly epoch: bigint; readonly reason?: EndReason }
  | { readonly type: 'work-failed'; readonly epoch: bigint }
  | { readonly type: 'yield' }
  /** Whether this replica's own probe of the control plane succeeds. */
  | { readonly type: 'reach'; readonly controlPlane: boolean }
  /** How this leader stands with the control plane. */
  | { readonly type: 'link'; readonly state: LinkState }
  /** Asks for a `verified` with the same id. */
  | { readonly type: 'verify'; readonly id: number }
  | { readonly type: 'stop' }

type Event = {
  [Name in Exclude<keyof ElectionEvents, 'leading' | 'status'>]: {
    readonly type: 'event'
    readonly name: Name
    readonly args: ElectionEvents[Name]
  }
}[Exclude<keyof ElectionEvents, 'leading' | 'status'>]

/** From the elector's thread to the main thread. */
export type FromElector =
  | { readonly type: 'status'; readonly status: ElectionStatus }
  /** Lead: the reign of this ticket. */
  | {
      readonly type: 'begin'
      readonly ticket: number
      readonly reign: Reign
      readonly lineage: string
      readonly resumed: boolean
    }
  | { readonly type: 'drain'; readonly epoch: bigint }
  | { readonly type: 'end'; readonly epoch: bigint; readonly reason: EndReason }
  /** Whether the Lease is held, by a renewal that began after the question came. */
  | { readonly type: 'verified'; readonly id: number; readonly holds: boolean }
  | { readonly type: 'stopped' }
  | Event
