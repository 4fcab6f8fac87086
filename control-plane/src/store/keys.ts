import { commandId as commandIdSchema } from '@regent/contract/api.ts'
import { etcdKeyPrefix } from '@regent/contract/names.ts'
import { printed } from '@regent/contract/problem.ts'
import { namePattern } from '@regent/contract/variable.ts'

/** Longest id that becomes part of a key, in characters. */
const longestId = 128

/**
 * The keys of the control plane in etcd. Each part that comes from outside is checked to be one id, so that nothing
 * that a client sends can end up in another key than the one that it names; what is no id throws a `TypeError`.
 */
export const keys = {
  agent: (agentId: string) => key('agents', name({ agentId })),
  status: (agentId: string) => key('status', name({ agentId })),
  fence: (agentId: string) => key('fences', name({ agentId })),
  connection: (agentId: string) => key('connections', name({ agentId })),
  pod: (podUid: string) => key('pods', name({ podUid })),
  agentKey: (agentId: string, keyId: string) => key('keys', name({ agentId }), name({ keyId })),
  token: (tokenId: string) => key('tokens', name({ tokenId })),
  openCommand: (agentId: string, id: string) => key('commands/open', name({ agentId }), commandId(id)),
  doneCommand: (agentId: string, id: string) => key('commands/done', name({ agentId }), commandId(id)),
  /** What a command carries: written once, so that its changes of state do not write it again. */
  commandPayload: (agentId: string, id: string) => key('commands/payload', name({ agentId }), commandId(id)),
  /** Held by the pod that sweeps the commands at the moment. */
  commandSweep: key('sweeps', 'commands'),
  /** What the pod that swept last has counted. */
  census: key('sweeps/census', 'newest'),
  /** There while the state is imported: nobody else writes what is of the state. */
  importLock: key('imports', 'lock'),
  /** Runs out when nothing comes of an import any more. */
  importAlive: key('imports', 'alive'),
  /** How the last import ended. */
  importDone: key('imports', 'done'),
  /** @param hash SHA-256 of the principal and its key, in hexadecimal */
  idempotency: (hash: string) => key('idempotency', name({ hash })),
} as const

/** What lists and watches ask for: all keys below one place. Each ends with `/`, so that no name is another's prefix. */
export const prefixes = {
  everything: etcdKeyPrefix,
  agents: key('agents', ''),
  statuses: key('status', ''),
  fences: key('fences', ''),
  connections: key('connections', ''),
  pods: key('pods', ''),
  tokens: key('tokens', ''),
  /** Of all agents. */
  allAgentKeys: key('keys', ''),
  agentKeys: (agentId: string) => key('keys', name({ agentId }), ''),
  /** Of all agents. */
  allOpenCommands: key('commands/open', ''),
  openCommands: (agentId: string) => key('commands/open', name({ agentId }), ''),
  /** Of all agents. */
  allDoneCommands: key('commands/done', ''),
  doneCommands: (agentId: string) => key('commands/done', name({ agentId }), ''),
  commandPayloads: (agentId: string) => key('commands/payload', name({ agentId }), ''),
  /** Open and ended ones and their payloads, of all agents. */
  allCommands: key('commands', ''),
  idempotency: key('idempotency', ''),
  census: key('sweeps/census', ''),
} as const

/** What pods write of themselves, and of an import: no part of the state that an import brings. */
const ofPods = ['connections', 'pods', 'sweeps', 'imports'].map((place) => key(place, ''))

/** Whether a key, or what is below a prefix, is of the state that is exported and imported. */
export function isOfState(keyOrPrefix: string): boolean {
  return keyOrPrefix.startsWith(etcdKeyPrefix) && !ofPods.some((place) => keyOrPrefix.startsWith(place))
}

/** The last part of a key: the id of what is stored there. */
export function idOf(storedKey: string): string {
  return storedKey.slice(storedKey.lastIndexOf('/') + 1)
}

/** The part before the last: the agent of a command or of a key. */
export function agentIdOf(storedKey: string): string {
  return idOf(storedKey.slice(0, storedKey.lastIndexOf('/')))
}

function key(...parts: readonly string[]): string {
  return `${etcdKeyPrefix}${parts.join('/')}`
}

function name(named: Readonly<Record<string, string>>): string {
  const [what, value] = Object.entries(named)[0] ?? ['id', '']
  if (value.length <= longestId && namePattern.test(value)) return value
  throw new TypeError(
    `${what}: expected at most ${longestId} of a-z, 0-9 and inner '-', got ${printed(value)}; it becomes part of a key`,
  )
}

function commandId(value: string): string {
  if (commandIdSchema.safeParse(value).success) return value
  throw new TypeError(
    `commandId: expected 1 to 64 of A-Z, a-z, 0-9, '_' and '-', got ${printed(value)}; it becomes part of a key`,
  )
}
