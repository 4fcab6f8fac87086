import { agentHealth, agentId, agentResource, approval, createAgent, page, pageOf } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { z } from 'zod'
import type { AgentRegistry } from '../../agents/agent-registry.ts'
import { operation, type Operation } from '../operation.ts'

const path = z.strictObject({ agentId })
const query = page.extend({ cursor: agentId.optional(), approval: approval.optional(), health: agentHealth.optional() })
const answer = agentResource

/** What the API does with agents. */
export function agentOperations(registry: AgentRegistry, log: Log): readonly Operation[] {
  const onUnreadable = (error: Error): void => log.warn('record-unreadable', { error })
  return [
    operation({
      id: 'listAgents',
      method: 'GET',
      route: '/agents',
      tag: 'agents',
      summary: 'List agents by id',
      description:
        'With a filter a page may hold fewer agents than its limit, or none, although `nextCursor` is there.',
      role: 'viewer',
      query,
      status: 200,
      answer: pageOf(agentResource),
      handle: async ({ query: { cursor, limit, ...filter } }) => {
        const { agents, after } = await registry.list({ ...filter, limit, after: cursor }, onUnreadable)
        return { items: [...agents], ...(after !== undefined && { nextCursor: after }) }
      },
    }),
    operation({
      id: 'readAgent',
      method: 'GET',
      route: '/agents/{agentId}',
      tag: 'agents',
      summary: 'Read an agent',
      role: 'viewer',
      path,
      status: 200,
      answer,
      problems: ['not-found'],
      handle: ({ path }) => registry.read(path.agentId),
    }),
    operation({
      id: 'createAgent',
      method: 'POST',
      route: '/agents',
      tag: 'agents',
      summary: 'Register an agent before it connects for the first time',
      role: 'admin',
      body: createAgent,
      status: 201,
      answer,
      problems: ['conflict'],
      location: (agent) => `/agents/${agent.agentId}`,
      subject: (agent) => `/agents/${agent.agentId}`,
      handle: ({ body, caller }) => registry.create(body.agentId, { approved: body.approved, by: caller.name }),
    }),
    ...(['approved', 'rejected'] as const).map((decision) =>
      operation({
        id: decision === 'approved' ? 'approveAgent' : 'rejectAgent',
        method: 'POST',
        route: `/agents/{agentId}/${decision === 'approved' ? 'approve' : 'reject'}`,
        tag: 'agents',
        summary: decision === 'approved' ? 'Let an agent connect' : 'Forbid an agent to connect, and disconnect it',
        role: 'admin',
        path,
        status: 200,
        answer,
        problems: ['not-found', 'conflict'],
        handle: ({ path, caller }) => registry.decide(path.agentId, decision, caller.name),
      }),
    ),
    operation({
      id: 'resetFence',
      method: 'POST',
      route: '/agents/{agentId}/reset-fence',
      tag: 'agents',
      summary: 'Accept the next leadership of an agent, whatever its epoch is',
      description:
        'For an agent whose cluster was restored from a backup, which shows as `fenceConflict`. Whoever is connected ' +
        'is disconnected and registers again. Make sure that no other leader of this agent runs.',
      role: 'admin',
      path,
      status: 200,
      answer,
      problems: ['not-found', 'conflict'],
      handle: ({ path }) => registry.resetFence(path.agentId),
    }),
    operation({
      id: 'deleteAgent',
      method: 'DELETE',
      route: '/agents/{agentId}',
      tag: 'agents',
      summary: 'Remove an agent for good, with its keys and its commands',
      role: 'admin',
      path,
      status: 204,
      problems: ['not-found', 'conflict'],
      handle: async ({ path }) => {
        await registry.remove(path.agentId)
        return undefined
      },
    }),
  ]
}
