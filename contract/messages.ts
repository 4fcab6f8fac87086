import { z } from 'zod'
import { longestAgentId } from './agent.ts'
import { namePattern } from './variable.ts'

/**
 * What agents and the control plane say to each other: one JSON object per WebSocket message, told apart by `type`.
 * Unknown fields are ignored, so that neighbouring versions understand each other; every string and list is bounded,
 * because either side may be the one that is broken.
 */

/** Version of this protocol; a difference in it is refused at registration. */
export const protocolVersion = 1

/** Largest message in either direction, in bytes. */
export const largestMessageBytes = 512 * 1024

/** Close code for an agent whose epoch is not the newest; it must read its Lease again before it reconnects. */
export const fencedCloseCode = 4409

const shortText = z.string().min(1).max(256)
const longText = z.string().max(4096)
/** A Kubernetes resourceVersion: compared as an integer of any size, so it travels as text. */
const epoch = z.string().regex(/^[1-9][0-9]{0,38}$/)
/** Deepest nesting of what a command carries. */
export const deepestPayload = 32
/** Any JSON, but not so deep that a broken peer's could exhaust the stack of whoever walks it. */
const payload = z.custom<z.core.util.JSONType>((value) => isJson(value, deepestPayload), {
  error: `JSON, at most ${deepestPayload} levels deep`,
})
const commandId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)

export const agentMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('register'),
    protocolVersion: z.int().min(1).max(1000),
    features: z.array(shortText).max(64),
    /** The same form as `AGENT_ID`: it becomes part of keys in etcd. */
    agentId: z.string().max(longestAgentId).regex(namePattern),
    /** UID of the `kube-system` namespace: epochs compare only within one lineage. */
    lineage: shortText,
    epoch,
    /** `podName_podUID_bootUUID` */
    holder: shortText,
    region: shortText,
    capacity: z.object({ maxSessions: z.int().min(0), cpu: shortText, memory: shortText }),
  }),
  z.object({
    type: z.literal('heartbeat'),
    status: z.enum(['online', 'draining', 'suspended']),
    activeSessions: z.int().min(0),
  }),
  z.object({ type: z.literal('received'), commandId }),
  z.object({ type: z.literal('done'), commandId, result: payload }),
  z.object({ type: z.literal('failed'), commandId, error: longText, retryable: z.boolean() }),
])
export type AgentMessage = z.infer<typeof agentMessage>

export const controlPlaneMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('registered'),
    connectionId: shortText,
    heartbeatIntervalSeconds: z.number().min(1).max(300),
  }),
  z.object({
    type: z.literal('command'),
    commandId,
    /** Order holds among the commands of one target. */
    target: shortText,
    action: shortText,
    payload,
    /** Which delivery of this command this is, from 1. */
    delivery: z.int().min(1).max(3),
    /** After this long, in seconds, the command is not worth starting. */
    deadlineSeconds: z.number().min(0),
  }),
  /** Asks the agent to connect again: this pod stops, or another one has fewer connections. */
  z.object({ type: z.literal('move'), reason: longText }),
])
export type ControlPlaneMessage = z.infer<typeof controlPlaneMessage>

function isJson(value: unknown, levels: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value === 'object' && levels > 0 && Object.values(value).every((inner) => isJson(inner, levels - 1))
}
