import { agentHealth, approval } from '@regent/contract/api.ts'
import { z } from 'zod'
import { record } from '../store/record.ts'

const time = z.iso.datetime()
const shortText = z.string().min(1).max(512)
/** A Kubernetes resourceVersion: an integer of any size, as text. */
const epoch = z.string().regex(/^[1-9][0-9]{0,38}$/)

/** At `keys.agent`: that there is this agent, whether it may connect, and what it said of itself last. */
export const agentRecord = record(
  z.object({
    approval,
    /** Who approved or rejected it; absent while it waits for that. */
    decidedBy: shortText.optional(),
    decidedAt: time.optional(),
    registeredAt: time,
    region: shortText.optional(),
    protocolVersion: z.int().optional(),
    features: z.array(shortText).max(64).optional(),
    capacity: z.object({ maxSessions: z.int().min(0), cpu: shortText, memory: shortText }).optional(),
  }),
)
export type AgentRecord = ReturnType<typeof agentRecord.parse>

/** At `keys.status`: how the agent was when that changed last, or five minutes ago. */
export const statusRecord = record(
  z.object({
    health: agentHealth,
    /** When the health became what it is. */
    since: time,
    lastSeenAt: time.optional(),
    activeSessions: z.int().min(0).optional(),
    /** The leadership that was refused although its agent insists. */
    fenceConflict: z.object({ lineage: shortText, epoch, holder: shortText, since: time }).optional(),
  }),
)
export type StatusRecord = ReturnType<typeof statusRecord.parse>

/** At `keys.fence`: the leadership whose messages count. Its modRevision is what every write of the agent compares. */
export const fenceRecord = record(
  z.object({
    lineage: shortText,
    epoch,
    holder: shortText,
    connectionId: shortText,
    pod: shortText,
    since: time,
  }),
)
export type FenceRecord = ReturnType<typeof fenceRecord.parse>

/** At `keys.connection`, with the lease of the pod that holds it: where the agent is connected. */
export const connectionRecord = record(
  z.object({
    connectionId: shortText,
    pod: shortText,
    podUid: shortText,
    holder: shortText,
    epoch,
    since: time,
  }),
)
export type ConnectionRecord = ReturnType<typeof connectionRecord.parse>
