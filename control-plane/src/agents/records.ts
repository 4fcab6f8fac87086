import { agentHealth, approval } from '@regent/contract/api.ts'
import { z } from 'zod'
import { record } from '../store/record.ts'

const time = z.iso.datetime()
const leadership = {
  lineage: z.string(),
  /** In decimal digits: an integer of any size. */
  epoch: z.string().regex(/^[0-9]{1,39}$/),
  holder: z.string(),
}

/** `agents/<agentId>`: an agent that is known. What it says of itself is from its last registration. */
export const agentRecord = record(
  z.object({
    approval,
    /** Who decided on it last; absent while nobody has. */
    decidedBy: z.string().optional(),
    registeredAt: time,
    region: z.string().optional(),
    protocolVersion: z.int().optional(),
    features: z.array(z.string()).optional(),
    capacity: z.object({ maxSessions: z.int(), cpu: z.string(), memory: z.string() }).optional(),
  }),
)
export type AgentRecord = ReturnType<typeof agentRecord.parse>

/**
 * `status/<agentId>`: how the agent is doing, as the pod with its connection saw it last. Written when it changes and
 * every few minutes; without a connection the agent is offline, whatever this says.
 */
export const statusRecord = record(
  z.object({
    health: agentHealth,
    since: time,
    lastSeenAt: time.optional(),
    activeSessions: z.int().min(0).optional(),
    /** A leadership that is refused although its Lease keeps telling it that it leads: an admin must decide. */
    fenceConflict: z.object({ ...leadership, since: time }).optional(),
  }),
)
export type StatusRecord = ReturnType<typeof statusRecord.parse>

/** `fences/<agentId>`: the highest leadership that was admitted. What an older one causes is refused. */
export const fenceRecord = record(z.object({ ...leadership, connectionId: z.string(), pod: z.string(), since: time }))
export type FenceRecord = ReturnType<typeof fenceRecord.parse>

/** `connections/<agentId>`, with the lease of its pod: where the agent is connected now. */
export const connectionRecord = record(
  z.object({
    connectionId: z.string(),
    pod: z.string(),
    podUid: z.string(),
    holder: z.string(),
    epoch: z.string(),
    since: time,
  }),
)
export type ConnectionRecord = ReturnType<typeof connectionRecord.parse>

/** `pods/<podUid>`, with the lease of that pod: a pod of the control plane and how many agents it serves. */
export const podRecord = record(z.object({ pod: z.string(), connections: z.int().min(0), startedAt: time }))
export type PodRecord = ReturnType<typeof podRecord.parse>
