import * as z from 'zod/mini'
import { longestAgentId } from './agent.ts'
import { namePattern } from './variable.ts'

/**
 * What agents and the control plane say to each other: one JSON object per WebSocket message, told apart by `type`.
 * Every string and list is bounded, because either side may be the one that is broken.
 *
 * Within a version of the protocol, optional fields and types of messages may be added, and nothing else: both sides
 * ignore fields that they do not know, and, once a registration stands, types that they do not know. Whatever the other
 * side must understand takes another version, or a feature that the agent names when it registers. That is: a new value
 * of an enumeration, a field that is required, a bound that changes. `contract/test/protocol-v1` holds what version 1
 * is, and is never changed.
 *
 * `zod/mini`: an agent loads this, and all of zod would cost it 15 MiB.
 */

/** Versions of the protocol that somebody speaks: from the oldest to the newest, none left out. */
export interface ProtocolVersions {
  readonly oldest: number
  readonly newest: number
}

/**
 * The versions that this release speaks. A release that adds one goes on speaking the one before, so that agents and
 * control plane can be updated in any order, one release at a time.
 */
export const protocolVersions: ProtocolVersions = { oldest: 1, newest: 1 }

/** The newest version that both speak; `undefined` where there is none. */
export function commonProtocolVersion(one: ProtocolVersions, other: ProtocolVersions): number | undefined {
  const version = Math.min(one.newest, other.newest)
  return version >= Math.max(one.oldest, other.oldest) ? version : undefined
}

/** Sub-protocol that both sides name in the WebSocket handshake. */
export const subprotocol = 'regent.v1'

/** Where agents connect, on the control plane's port `agents`; the token or key is a bearer token. */
export const connectPath = '/api/v1/agents/connect'

/** Answers 204 to an agent whose registration would be taken: standbys ask it, with the same bearer token. */
export const probePath = '/api/v1/agents/probe'

/** Largest message in either direction, in bytes. */
export const largestMessageBytes = 512 * 1024

/** The first message of an agent is `register`, and it comes within this many seconds. */
export const registerWithinSeconds = 5

/** Each side sends a WebSocket ping this often, in seconds. */
export const pingIntervalSeconds = 5

/** After so many pings without an answer the connection is given up. */
export const mostMissedPings = 2

/** Most deliveries of one command; one that ended without a result three times is set aside as poisoned. */
export const mostDeliveries = 3

/** Most commands of one agent that are under way at once. */
export const mostUnderWay = 32

/** Why the control plane closes a connection, beside the codes of RFC 6455. */
export const closeCodes = {
  /** A message that is none of the protocol's, or out of turn. */
  unexpectedMessage: 4400,
  /** The token or key is not valid any more. */
  unauthenticated: 4401,
  /** The agent was rejected, or is not approved any more. */
  notApproved: 4403,
  /** No registration in time. */
  registrationTimeout: 4408,
  /** The epoch is not the newest; the agent must read its Lease again before it reconnects. */
  fenced: 4409,
  /** The agent was removed for good. */
  offboarded: 4410,
  /** There is no version of the protocol that both speak. */
  protocolVersion: 4426,
} as const

/** Deepest nesting of what a command carries. */
export const deepestPayload = 32

const shortText = z.string().check(z.minLength(1), z.maxLength(256))
/**
 * What names a region: the characters of a label, and nothing that could do anything to the terminal or the log of who
 * reads it. No agent of version 1 says anything else: `REGION` of its environment is a name of Kubernetes.
 */
const region = shortText.check(
  z.regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, {
    error: "expected letters, digits, '-', '_' and '.', with a letter or digit at both ends, such as us-east-1",
  }),
)
/** The same form as every quantity of an agent's environment, and all that Kubernetes writes. */
const quantity = shortText.check(
  z.regex(/^[0-9]+(\.[0-9]+)?([numkKMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$/, {
    error: 'expected a quantity of Kubernetes, such as 500m, 4 or 16Gi',
  }),
)
/** What programs name, and no person: printable ASCII without blanks, as in every name that was ever said. */
const programName = (most: number) =>
  z.string().check(z.minLength(1), z.maxLength(most), z.regex(/^[\x21-\x7e]*$/, { error: 'expected printable ASCII' }))
const longText = z.string().check(z.maxLength(4096))
/** A Kubernetes resourceVersion: compared as an integer of any size, so it travels as text. */
const epoch = z.string().check(z.regex(/^[1-9][0-9]{0,38}$/))
/** Any JSON, but not so deep that a broken peer's could exhaust the stack of whoever walks it. */
const payload = z.custom<z.core.util.JSONType>((value) => isJson(value, deepestPayload), {
  error: `JSON, at most ${deepestPayload} levels deep`,
})
const commandId = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/))
/** The same form as `AGENT_ID`: it becomes part of keys in etcd. */
const agentId = z.string().check(z.maxLength(longestAgentId), z.regex(namePattern))
const atLeastZero = z.number().check(z.minimum(0))
const count = z.int().check(z.minimum(0))
const version = z.int().check(z.minimum(1), z.maximum(1000))

export const agentMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('register'),
    /** The newest version that it speaks. */
    protocolVersion: version,
    /** The oldest; absent: it speaks one version. */
    oldestProtocolVersion: z.optional(version),
    features: z.array(programName(256)).check(z.maxLength(64)),
    agentId,
    /** UID of the `kube-system` namespace: epochs compare only within one lineage. */
    lineage: programName(256),
    epoch,
    /** `podName_podUID_bootUUID` */
    holder: programName(512),
    region,
    capacity: z.object({ maxSessions: count, cpu: quantity, memory: quantity }),
  }),
  z.object({
    type: z.literal('heartbeat'),
    /** `suspended`: it could not renew its Lease and takes no new work. */
    status: z.enum(['online', 'draining', 'suspended']),
    activeSessions: count,
  }),
  /** The command was taken up; its executor may run from now on. */
  z.object({ type: z.literal('received'), commandId }),
  z.object({ type: z.literal('done'), commandId, result: payload }),
  z.object({
    type: z.literal('failed'),
    commandId,
    error: longText,
    /** Whether another delivery may succeed. */
    retryable: z.boolean(),
  }),
])
export type AgentMessage = z.infer<typeof agentMessage>

export const controlPlaneMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('registered'),
    connectionId: shortText,
    heartbeatIntervalSeconds: z.number().check(z.minimum(1), z.maximum(300)),
    /** The version that both speak from now on: the newest that both know. Absent: 1. */
    protocolVersion: z.optional(version),
  }),
  z.object({
    type: z.literal('command'),
    commandId,
    /** Order holds among the commands of one target. */
    target: shortText,
    action: shortText,
    payload,
    /** Which delivery of this command this is, from 1. */
    delivery: z.int().check(z.minimum(1), z.maximum(mostDeliveries)),
    /** After this long, in seconds, the command is not worth starting. */
    deadlineSeconds: atLeastZero,
  }),
  /** The result of this command is stored: the agent may forget it. Until then it repeats it after a reconnect. */
  z.object({ type: z.literal('stored'), commandId }),
  /** A person gave this command up: the agent ends it if it can, and says how it ended. */
  z.object({ type: z.literal('cancel'), commandId }),
  /** Asks the agent to connect again: this pod stops, or another one has fewer connections. */
  z.object({ type: z.literal('move'), reason: longText }),
])
export type ControlPlaneMessage = z.infer<typeof controlPlaneMessage>

/** Whether a value is JSON of at most so many levels of lists and objects; it looks no deeper. */
export function isJson(value: unknown, levels: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value === 'object' && levels > 0 && Object.values(value).every((inner) => isJson(inner, levels - 1))
}
