import { agentId, agentKey, createAgentKey, newAgentKey, rotateAgentKey } from '@regent/contract/api.ts'
import { z } from 'zod'
import type { AgentKeys } from '../../identity/agent-keys.ts'
import { operation, type Operation } from '../operation.ts'

const path = z.strictObject({ agentId })
const none = (): object => ({})

/** What the API does with the keys of agents that are in other clusters. */
export function keyOperations(keys: AgentKeys): readonly Operation[] {
  return [
    operation({
      id: 'listAgentKeys',
      method: 'GET',
      route: '/agents/{agentId}/keys',
      tag: 'keys',
      summary: 'List the keys of an agent that are valid; what they are is not shown again',
      role: 'admin',
      path,
      status: 200,
      answer: z.object({ items: z.array(agentKey) }),
      problems: ['not-found'],
      handle: async ({ path }) => ({ items: [...(await keys.list(path.agentId))] }),
    }),
    operation({
      id: 'createAgentKey',
      method: 'POST',
      route: '/agents/{agentId}/keys',
      tag: 'keys',
      summary: 'Make a key for an agent; the answer is the only place where it is shown',
      role: 'admin',
      path,
      body: createAgentKey.default(none),
      status: 201,
      answer: newAgentKey,
      problems: ['not-found', 'conflict'],
      handle: ({ path, body, caller }) =>
        keys.create(path.agentId, { by: caller.name, expiresInSeconds: body.expiresInSeconds }),
    }),
    operation({
      id: 'rotateAgentKeys',
      method: 'POST',
      route: '/agents/{agentId}/rotate-keys',
      tag: 'keys',
      summary: 'Make a new key for an agent, and let all others expire after an overlap',
      role: 'admin',
      path,
      body: rotateAgentKey.prefault(none),
      status: 201,
      answer: newAgentKey,
      problems: ['not-found', 'conflict'],
      handle: ({ path, body, caller }) =>
        keys.rotate(path.agentId, { by: caller.name, overlapSeconds: body.overlapSeconds }),
    }),
    operation({
      id: 'revokeAgentKey',
      method: 'DELETE',
      route: '/agents/{agentId}/keys/{keyId}',
      tag: 'keys',
      summary: 'Revoke a key at once',
      role: 'admin',
      path: path.extend({ keyId: agentKey.shape.keyId }),
      status: 204,
      problems: ['not-found'],
      handle: async ({ path }) => {
        await keys.revoke(path.agentId, path.keyId)
        return undefined
      },
    }),
  ]
}
