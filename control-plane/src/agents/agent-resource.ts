import type { AgentResource } from '@regent/contract/api.ts'
import type { KeyValue } from '../store/key-value.ts'
import {
  type AgentRecord,
  type ConnectionRecord,
  connectionRecord,
  type FenceRecord,
  fenceRecord,
  type StatusRecord,
  statusRecord,
} from './agent-records.ts'

/** What is stored of one agent, read at one revision. */
export interface StoredAgent {
  readonly agentId: string
  readonly agent: AgentRecord
  readonly status?: StatusRecord
  readonly fence?: FenceRecord
  readonly connection?: ConnectionRecord
}

/** What is stored beside the record of an agent, in the order of {@link besides}. */
export function storedAgent(
  agentId: string,
  agent: AgentRecord,
  [status, fence, connection]: readonly (KeyValue | undefined)[],
): StoredAgent {
  return {
    agentId,
    agent,
    ...(status !== undefined && { status: statusRecord.parse(status) }),
    ...(fence !== undefined && { fence: fenceRecord.parse(fence) }),
    ...(connection !== undefined && { connection: connectionRecord.parse(connection) }),
  }
}

/** An agent as the API shows it. One that never connected is offline since it was registered. */
export function agentResourceOf({ agentId, agent, status, fence, connection }: StoredAgent): AgentResource {
  const { approval, registeredAt, region, protocolVersion, features, capacity } = agent
  return {
    agentId,
    approval,
    registeredAt,
    health: status?.health ?? 'offline',
    since: status?.since ?? registeredAt,
    ...(status?.lastSeenAt !== undefined && { lastSeenAt: status.lastSeenAt }),
    ...(region !== undefined && { region }),
    ...(protocolVersion !== undefined && { protocolVersion }),
    ...(features !== undefined && { features }),
    ...(capacity !== undefined && { capacity }),
    ...(status?.activeSessions !== undefined && { activeSessions: status.activeSessions }),
    ...(fence !== undefined && {
      fence: { lineage: fence.lineage, epoch: fence.epoch, holder: fence.holder, since: fence.since },
    }),
    ...(connection !== undefined && {
      connection: { connectionId: connection.connectionId, pod: connection.pod, since: connection.since },
    }),
    ...(status?.fenceConflict !== undefined && { fenceConflict: status.fenceConflict }),
  }
}
