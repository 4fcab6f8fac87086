import type { AgentResource, CommandResource } from '@regent/contract/api.ts'
import { describe, expect, test } from '@jest/globals'
import { type AgentEvent, type AgentFilter, ListedAgents, ListedCommands } from '../../cli/listed.ts'

const since = '2026-05-04T03:02:01.000Z'
const agent = (agentId: string, approval: AgentResource['approval'], health: AgentResource['health']) =>
  ({ agentId, approval, health, registeredAt: since, since }) satisfies AgentResource
const approved = (agentId: string): AgentEvent => ({ type: 'agent', agentId, approval: 'approved' })
const rejected = (agentId: string): AgentEvent => ({ type: 'agent', agentId, approval: 'rejected' })
const removed = (agentId: string): AgentEvent => ({ type: 'agent-removed', agentId })
const is = (agentId: string, health: AgentResource['health']): AgentEvent => ({
  ...{ type: 'agent-health', agentId, health, since, fenceConflict: false },
})

describe('a list of agents that is followed', () => {
  const listed = (filter: Partial<AgentFilter>): ListedAgents => {
    const agents = new ListedAgents({ approval: undefined, health: undefined, ...filter })
    agents.begin([agent('on', 'approved', 'online'), agent('off', 'approved', 'offline')])
    return agents
  }

  test('is about all of them without a filter', () => {
    const agents = listed({})
    for (const event of [is('on', 'stale'), approved('new'), rejected('off'), removed('off')]) {
      expect(agents.take(event)).toBe('listed')
    }
  })

  test('is not about agents that it does not show, and says who leaves it', () => {
    const agents = listed({ health: 'online' })
    expect(agents.take(is('off', 'stale'))).toBeUndefined()
    expect(agents.take(approved('off'))).toBeUndefined()
    expect(agents.take(is('off', 'online'))).toBe('listed')
    expect(agents.take(approved('on'))).toBe('listed')
    expect(agents.take(is('on', 'offline'))).toBe('leaves')
    expect(agents.take(is('on', 'stale'))).toBeUndefined()
    expect(agents.take(removed('on'))).toBeUndefined()
    expect(agents.take(removed('off'))).toBe('listed')
  })

  test('keeps both properties that a filter may ask for', () => {
    const agents = listed({ approval: 'rejected', health: 'offline' })
    expect(agents.take(rejected('on'))).toBeUndefined()
    expect(agents.take(is('on', 'offline'))).toBe('listed')
    expect(agents.take(rejected('off'))).toBe('listed')
    expect(agents.take(approved('off'))).toBe('leaves')
  })

  test('takes an agent that was just made for offline', () => {
    expect(listed({ health: 'offline' }).take(approved('new'))).toBe('listed')
    expect(listed({ health: 'online' }).take(approved('new'))).toBeUndefined()
  })
})

describe('a list of commands that is followed', () => {
  const command = (commandId: string, state: CommandResource['state']) => ({
    ...({
      type: 'command',
      agentId: 'a',
      commandId,
      action: 'describe',
      target: 'agent',
      state,
      deliveries: 0,
    } as const),
  })
  const stored: CommandResource = {
    ...{ ...command('c-1', 'queued'), payload: {}, createdAt: since, createdBy: 'test', deadlineAt: since },
    cancelRequested: false,
  }

  test('is about one state where only that one is asked for', () => {
    const commands = new ListedCommands('queued')
    commands.begin([stored])
    expect(commands.take(command('c-2', 'done'))).toBeUndefined()
    expect(commands.take(command('c-2', 'queued'))).toBe('listed')
    expect(commands.take(command('c-1', 'dispatched'))).toBe('leaves')
    expect(commands.take(command('c-1', 'done'))).toBeUndefined()
  })

  test('is about all of them without a filter', () => {
    expect(new ListedCommands(undefined).take(command('c-1', 'done'))).toBe('listed')
  })
})
