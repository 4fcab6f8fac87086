import {
  agentId,
  commandId,
  type CommandResource,
  commandResource,
  commandState,
  createCommand,
  page,
  pageOf,
} from '@regent/contract/api.ts'
import { z } from 'zod'
import type { AgentRegistry } from '../../agents/agent-registry.ts'
import { NotThere } from '../../agents/errors.ts'
import type { Commands } from '../../commands/commands.ts'
import { operation, type Operation } from '../operation.ts'

/** Pages that one call reads at most when a filter leaves out most of them. */
const mostPages = 10

const path = z.strictObject({ agentId })
const pathOfOne = path.extend({ commandId })
const query = page.extend({
  cursor: commandId.optional(),
  state: commandState.optional(),
  action: createCommand.shape.action.optional(),
  target: z.string().min(1).max(128).optional(),
})
const headers = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/)
    .optional()
    .meta({
      description: 'Asked again with the same key within a day, the same command is answered, not another made',
    }),
})

export interface CommandOperationsOptions {
  readonly commands: Pick<Commands, 'create' | 'get' | 'list' | 'cancel'>
  readonly agents: Pick<AgentRegistry, 'find'>
}

/** What the API does with commands. */
export function commandOperations({ commands, agents }: CommandOperationsOptions): readonly Operation[] {
  const found = (
    command: CommandResource | undefined,
    { agentId: agent, commandId: id }: z.infer<typeof pathOfOne>,
  ) => {
    if (command === undefined) throw new NotThere(`command '${id}' of agent '${agent}'`)
    return command
  }
  return [
    operation({
      id: 'createCommand',
      method: 'POST',
      route: '/agents/{agentId}/commands',
      tag: 'commands',
      summary: 'Give an agent a command',
      description:
        'It is stored when this is answered, and delivered until it has ended: after a failover perhaps once more. ' +
        'Commands of one target are carried out in the order in which they were made.',
      role: 'operator',
      path,
      headers,
      body: createCommand,
      status: 201,
      answer: commandResource,
      problems: ['not-found', 'conflict', 'idempotency-key-reused', 'queue-full'],
      location: locationOf,
      subject: locationOf,
      handle: async ({ path, headers, body, caller }) => {
        const key = headers['idempotency-key']
        const { command } = await commands.create(path.agentId, body, {
          by: caller.name,
          // Names may be given twice; the key is of one caller.
          ...(key !== undefined && { idempotencyKey: `${caller.id} ${key}` }),
        })
        return command
      },
    }),
    operation({
      id: 'listCommands',
      method: 'GET',
      route: '/agents/{agentId}/commands',
      tag: 'commands',
      summary: 'List the commands of an agent, open and ended, about from the oldest to the newest',
      description: 'A page may hold fewer commands than its limit, or none, although `nextCursor` is there.',
      role: 'viewer',
      path,
      query,
      status: 200,
      answer: pageOf(commandResource),
      problems: ['not-found'],
      handle: async ({ path, query: { cursor, limit, ...filter } }) => {
        if ((await agents.find(path.agentId)) === undefined) throw new NotThere(`agent '${path.agentId}'`)
        const items: CommandResource[] = []
        let after = cursor
        for (let pages = 0; pages < mostPages; pages += 1) {
          const read = await commands.list(path.agentId, { limit: limit - items.length, after })
          items.push(...read.items.filter((command) => fits(command, filter)))
          after = read.next
          if (after === undefined || items.length === limit) break
        }
        return { items, ...(after !== undefined && { nextCursor: after }) }
      },
    }),
    operation({
      id: 'readCommand',
      method: 'GET',
      route: '/agents/{agentId}/commands/{commandId}',
      tag: 'commands',
      summary: 'Read a command and how it ended; it is kept for a day after that',
      role: 'viewer',
      path: pathOfOne,
      status: 200,
      answer: commandResource,
      problems: ['not-found'],
      handle: async ({ path }) => found(await commands.get(path.agentId, path.commandId), path),
    }),
    operation({
      id: 'cancelCommand',
      method: 'POST',
      route: '/agents/{agentId}/commands/{commandId}/cancel',
      tag: 'commands',
      summary: 'Give a command up',
      description:
        'One that waits has ended at once; the agent is asked to end one that it has, and its result is what the agent says.',
      role: 'operator',
      path: pathOfOne,
      status: 200,
      answer: commandResource,
      problems: ['not-found'],
      handle: async ({ path, caller }) =>
        found(await commands.cancel(path.agentId, path.commandId, { by: caller.name }), path),
    }),
  ]
}

function fits(command: CommandResource, filter: Partial<Record<'state' | 'action' | 'target', string | undefined>>) {
  return (['state', 'action', 'target'] as const).every(
    (field) => filter[field] === undefined || command[field] === filter[field],
  )
}

const locationOf = (command: CommandResource): string => `/agents/${command.agentId}/commands/${command.commandId}`
