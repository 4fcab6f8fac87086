import { setTimeout as pause } from 'node:timers/promises'
import { closeCodes } from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { agentRecord, fenceRecord } from '../agents/agent-records.ts'
import type { KeyValue } from '../store/key-value.ts'
import { agentIdOf, idOf, keys, prefixes } from '../store/keys.ts'
import { isAborted } from '../store/retry.ts'
import type { FollowUpdate, Store } from '../store/store.ts'
import { type AgentConnection, ordinaryCodes } from './agent-connection.ts'
import type { OpenConnections } from './open-connections.ts'
import { keyRightOf } from './stored-key.ts'

const retryMs = 1_000

/**
 * Closes connections that have lost the right to speak for their agent: somebody newer registered at another pod, the
 * agent was rejected or removed, its key was revoked or rotated. Keys and agents
 * count from the handshake on: what a connection that registers has read may be the past when it is answered. Nothing
 * depends on how soon: every write compares the fence.
 */
export async function watchRights(
  store: Pick<Store, 'follow'>,
  signal: AbortSignal,
  log: Log,
  own: OpenConnections,
): Promise<void> {
  const followed = [
    [prefixes.fences, judgeFence],
    [prefixes.agents, judgeAgent],
    [prefixes.allAgentKeys, judgeKey],
  ] as const
  await Promise.all(
    followed.map(async ([prefix, judge]) => {
      while (!isAborted(signal)) {
        try {
          for await (const update of store.follow(prefix, { signal })) apply(update, own, judge, log)
        } catch (error) {
          if (isAborted(signal)) return
          log.error('rights-unwatched', { prefix, error: error as Error })
          await pause(retryMs, undefined, { signal }).catch(() => undefined)
        }
      }
    }),
  )
}

/** Judges one connection by what is stored at a key now, or that nothing is. */
type Judge = (connection: AgentConnection, key: string, stored: KeyValue | undefined) => void

function apply(update: FollowUpdate, own: OpenConnections, judge: Judge, log: Log): void {
  const judged = (connection: AgentConnection, key: string, stored: KeyValue | undefined): void => {
    try {
      judge(connection, key, stored)
    } catch (error) {
      log.error('right-unreadable', { key, error: error as Error })
    }
  }
  if (update.kind === 'snapshot') {
    const stored = new Map(update.items.map((item) => [item.key, item]))
    for (const connection of own) {
      for (const key of rightsOf(connection)) {
        if (hasSeen(connection, update.revision)) continue
        if (judge === judgeOf(key)) judged(connection, key, stored.get(key))
      }
    }
    return
  }
  for (const event of update.events) {
    const { key, modRevision } = event.kind === 'put' ? event.item : event
    for (const connection of own.of(judge === judgeKey ? agentIdOf(key) : idOf(key))) {
      if (hasSeen(connection, modRevision)) continue
      judged(connection, key, event.kind === 'put' ? event.item : undefined)
    }
  }
}

/**
 * Whether a connection registered after a revision: what was stored by then is the past for it, because its registration
 * compared fence, agent and key.
 */
function hasSeen({ registered }: AgentConnection, revision: bigint): boolean {
  return registered !== undefined && registered.fence.modRevision > revision
}

/** What a connection's right rests on. */
function rightsOf({ registered, identity: { agentId, keyId } }: AgentConnection): readonly string[] {
  return [
    ...(registered === undefined ? [] : [keys.fence(agentId), keys.agent(agentId)]),
    ...(keyId === undefined ? [] : [keys.agentKey(agentId, keyId)]),
  ]
}

function judgeOf(key: string): Judge {
  if (key.startsWith(prefixes.fences)) return judgeFence
  return key.startsWith(prefixes.agents) ? judgeAgent : judgeKey
}

function judgeFence(connection: AgentConnection, _: string, stored: KeyValue | undefined): void {
  const { registered } = connection
  if (registered === undefined) return
  if (stored === undefined) {
    connection.close(ordinaryCodes.tryAgainLater, 'the fence was reset; register again')
    return
  }
  if (stored.modRevision <= registered.fence.modRevision) return
  const { epoch, holder, connectionId } = fenceRecord.parse(stored)
  if (connectionId !== registered.connectionId) connection.supersede(BigInt(epoch), holder)
}

function judgeAgent(connection: AgentConnection, _: string, stored: KeyValue | undefined): void {
  if (stored === undefined) {
    connection.close(closeCodes.offboarded, 'this agent was removed')
    return
  }
  const { approval } = agentRecord.parse(stored)
  // One that registers is told by the registration that it has to wait for its approval.
  const isLost = connection.registered === undefined ? approval === 'rejected' : approval !== 'approved'
  if (isLost) connection.close(closeCodes.notApproved, 'this agent is not approved any more')
}

function judgeKey(connection: AgentConnection, key: string, stored: KeyValue | undefined): void {
  if (idOf(key) !== connection.identity.keyId) return
  const right = keyRightOf(stored, Date.now())
  if (!right.counts) connection.close(closeCodes.unauthenticated, right.why)
  else if (right.expiresAt !== undefined) connection.keyEnds(right.expiresAt)
}
