import { z } from 'zod'
import { longestAgentId } from './agent.ts'
import { deepestPayload, isJson, mostDeliveries } from './messages.ts'
import { namePattern } from './variable.ts'

/**
 * Resources of the control plane's HTTP API for people and programs, below {@link apiPrefix}. The control plane answers
 * with these schemas and describes them at `/openapi.json`; `npx regent` reads with them. Requests are closed (an
 * unknown field is refused), answers are open (a newer control plane may say more).
 */
export const apiPrefix = '/api/v1'

/** Roles, from the one that may least. `viewer` reads, `operator` gives commands, `admin` admits agents and people. */
export const roles = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]

/** Longest request body, in bytes. */
export const longestBodyBytes = 1024 * 1024
/** Largest payload of one command, as JSON, in bytes: with its envelope it fits into one message. */
export const largestPayloadBytes = 256 * 1024
/** Most items of one page. */
export const longestPage = 500
/** How long a command waits to be started when nothing else was asked for, in seconds. */
export const defaultDeadlineSeconds = 3600
export const longestDeadlineSeconds = 7 * 24 * 3600
/** Longest time for which a key that was rotated out stays valid, in seconds. */
export const longestKeyOverlapSeconds = 7 * 24 * 3600
/** Longest life of a key that is made to expire, in seconds. */
export const longestKeySeconds = 366 * 24 * 3600
/** Longest life of a person's or program's token, in seconds. */
export const longestTokenSeconds = 366 * 24 * 3600

const time = z.iso.datetime()
/**
 * Text for people and logs: no control characters, nothing invisible, nothing that reorders a line. In ranges, not in
 * classes of Unicode, which not every reader of the OpenAPI document knows.
 */
const plainText = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(
      /^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$/,
    )

export const agentId = z.string().min(1).max(longestAgentId).regex(namePattern).meta({ example: 'local' })
export const commandId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const secretId = z.string().regex(/^[a-z0-9]{8,32}$/)

/** How an agent stands towards the control plane. */
export const agentHealth = z.enum(['online', 'draining', 'suspended', 'stale', 'offline'])
/** Whether an agent may connect. */
export const approval = z.enum(['pending', 'approved', 'rejected'])

export const agentResource = z.object({
  agentId,
  approval,
  registeredAt: time,
  health: agentHealth,
  /** When the health became what it is. */
  since: time,
  lastSeenAt: time.optional(),
  region: z.string().optional(),
  protocolVersion: z.int().optional(),
  features: z.array(z.string()).optional(),
  capacity: z.object({ maxSessions: z.int(), cpu: z.string(), memory: z.string() }).optional(),
  activeSessions: z.int().optional(),
  /** The leadership that the agent's messages are accepted from. */
  fence: z.object({ lineage: z.string(), epoch: z.string(), holder: z.string(), since: time }).optional(),
  /** The live connection; absent when there is none. */
  connection: z.object({ connectionId: z.string(), pod: z.string(), since: time }).optional(),
  /** What was refused although the agent insists: its Lease went back in time. An admin ends it by `reset-fence`. */
  fenceConflict: z.object({ lineage: z.string(), epoch: z.string(), holder: z.string(), since: time }).optional(),
})
export type AgentResource = z.infer<typeof agentResource>

export const createAgent = z.strictObject({
  agentId,
  /** Whether it may connect without being approved later. */
  approved: z.boolean().default(false),
})

/** A key of an agent that is in another cluster: never shown again after it was made. */
export const agentKey = z.object({
  keyId: secretId,
  createdAt: time,
  createdBy: z.string(),
  /** From then on it is refused; absent: it lives until it is revoked or rotated. */
  expiresAt: time.optional(),
})
export type AgentKey = z.infer<typeof agentKey>
export const newAgentKey = agentKey.extend({ key: z.string() })
export const createAgentKey = z.strictObject({
  /** @default it lives until it is revoked or rotated */
  expiresInSeconds: z.int().min(60).max(longestKeySeconds).optional(),
})
/** A new key; those that are valid now stay so for the overlap. */
export const rotateAgentKey = z.strictObject({
  overlapSeconds: z.int().min(0).max(longestKeyOverlapSeconds).default(3600),
})

export const commandState = z.enum(['queued', 'dispatched', 'received', 'done', 'failed', 'poisoned'])
export type CommandState = z.infer<typeof commandState>
export const commandErrorCode = z.enum(['failed', 'expired', 'cancelled', 'poisoned'])

export const createCommand = z.strictObject({
  action: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,63}$/)
    .meta({ example: 'describe' }),
  /** Order holds among the commands of one target. */
  target: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9./]{0,126}[a-z0-9])?$/)
    .default('agent'),
  payload: z
    .custom<z.core.util.JSONType>((value) => isJson(value, deepestPayload), {
      error: `expected JSON of at most ${deepestPayload} levels`,
    })
    .default({})
    .meta({ description: `JSON, at most ${deepestPayload} levels deep` }),
  /** After so many seconds the command is not started any more. */
  deadlineSeconds: z.int().min(1).max(longestDeadlineSeconds).default(defaultDeadlineSeconds),
})
export type CreateCommand = z.infer<typeof createCommand>

export const commandResource = z.object({
  commandId,
  agentId,
  action: z.string(),
  target: z.string(),
  payload: z.json(),
  state: commandState,
  createdAt: time,
  createdBy: z.string(),
  deadlineAt: time,
  /** How often it was sent to the agent. */
  deliveries: z.int().min(0).max(mostDeliveries),
  /** Whether somebody asked to cancel it. */
  cancelRequested: z.boolean(),
  finishedAt: time.optional(),
  result: z.json().optional(),
  error: z.object({ code: commandErrorCode, message: z.string() }).optional(),
})
export type CommandResource = z.infer<typeof commandResource>

export const tokenResource = z.object({
  tokenId: secretId,
  name: z.string(),
  role: z.enum(roles),
  createdAt: time,
  createdBy: z.string(),
  expiresAt: time,
})
export type TokenResource = z.infer<typeof tokenResource>
export const newToken = tokenResource.extend({ token: z.string() })
export const createToken = z.strictObject({
  name: plainText(64).meta({ examples: ['deployment pipeline'] }),
  role: z.enum(roles),
  expiresInSeconds: z
    .int()
    .min(60)
    .max(longestTokenSeconds)
    .default(30 * 24 * 3600),
})

/**
 * The import of a state, part by part, into a store that holds none: see `contract/state-file.ts` for the lines. Each
 * request is short and may be repeated, at any pod; what is not completed leaves nothing.
 */
export const importId = z.string().regex(/^[a-z0-9]([-a-z0-9]{6,62}[a-z0-9])$/)
/** Longest line of a state, in characters. */
export const longestStateLine = 1_300_000
/** Most lines of one part, and how many characters they should not exceed, unless a single one does. */
export const mostStateLines = 500
export const stateCharactersOfPart = 1_000_000
/** Largest body of a part, in bytes: JSON makes lines longer. */
export const longestPartBytes = 4 * 1024 * 1024
/** Most problems of a state that are told. */
export const mostStateProblems = 50
export const beginImport = z.strictObject({
  /** Chosen by the caller, so that a request whose answer was lost can be repeated. */
  importId,
  /** The first line. */
  header: z.string().min(1).max(4096),
  /** Whether commands that had not ended are given up instead of being carried out. */
  dropOpenCommands: z.boolean().default(false),
})
export const importResource = z.object({
  importId,
  begunAt: time,
  begunBy: z.string(),
  nextPart: z.int(),
  entries: z.int(),
})
export type ImportResource = z.infer<typeof importResource>
export const importPart = z.strictObject({
  /** From 0. */
  part: z.int().min(0).max(10_000_000),
  lines: z.array(z.string().min(1).max(longestStateLine)).min(1).max(mostStateLines),
})
export const importedPart = importResource.extend({
  /** What is wrong with the lines of this part, by the number of the line in the state, from 1. */
  problems: z.array(z.object({ line: z.int(), message: z.string() })),
})
export type ImportedPart = z.infer<typeof importedPart>
export const completeImport = z.strictObject({
  /** The last line. */
  trailer: z.string().min(1).max(4096),
})
export const importResult = z.object({ importId, completedAt: time, entries: z.int() })
export type ImportResult = z.infer<typeof importResult>

/** Who is calling, as the control plane sees it. */
export const principal = z.object({
  name: z.string(),
  role: z.enum(roles),
  by: z.enum(['token', 'oidc', 'kubernetes']),
})
export type Principal = z.infer<typeof principal>

/**
 * What `GET /api/v1/events` tells as server-sent events, named by `type`. An event says that something changed and the
 * little that lists show of it; the resource itself has the rest.
 */
export const apiEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('agent'), agentId, approval }),
  z.object({ type: z.literal('agent-removed'), agentId }),
  z.object({
    type: z.literal('agent-health'),
    agentId,
    health: agentHealth,
    since: time,
    activeSessions: z.int().optional(),
    fenceConflict: z.boolean(),
  }),
  z.object({
    type: z.literal('command'),
    agentId,
    commandId,
    action: z.string(),
    target: z.string(),
    state: commandState,
    deliveries: z.int(),
  }),
  /** What happened meanwhile is not known any more: read the lists again. */
  z.object({ type: z.literal('reset') }),
])
export type ApiEvent = z.infer<typeof apiEvent>

/** Which part of a list: `cursor` is what the page before gave as `nextCursor`. */
export const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(longestPage).default(100),
  cursor: z.string().max(512).optional(),
})
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() })

/** An error, as RFC 9457 has it: `type` is one of {@link problemTypes} below this URL. */
export const problemTypePrefix = 'https://regent.dev/problems/'
export const problemTypes = {
  'invalid-request': 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  conflict: 409,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'idempotency-key-reused': 422,
  'queue-full': 429,
  'too-many-requests': 429,
  'headers-too-large': 431,
  internal: 500,
  'identity-unavailable': 503,
  'store-unavailable': 503,
  'store-full': 507,
} as const
export type ProblemType = keyof typeof problemTypes

export const problemDetails = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  /** Everything that is wrong with the request, at once. */
  problems: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})
export type ProblemDetails = z.infer<typeof problemDetails>
