import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { type WebSocket, WebSocketServer } from 'ws'
import { AgentConnection } from '../../src/hub/agent-connection.ts'
import type { Registered } from '../../src/hub/registrations.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import { keys } from '../../src/store/keys.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { TestQueue } from './test-pod.ts'

/** A connection of agent `local`, without etcd: the test says when it is registered. */
export interface TestConnection {
  readonly connection: AgentConnection
  readonly agent: RecordedAgent
  /** The agent registers; resolves when it is to be decided. */
  readonly asks: () => Promise<void>
  /** It is registered, and has been told so. */
  readonly admit: (registered?: Partial<Registered>) => Promise<void>
  readonly close: () => Promise<void>
}

/** Opens a connection over a real WebSocket. */
export async function openConnection(identity: Partial<AgentIdentity> = {}): Promise<TestConnection> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const connects = once(server, 'connection')
  const agent = new RecordedAgent((server.address() as AddressInfo).port, undefined)
  const [socket] = (await connects) as [WebSocket]
  const asked = Promise.withResolvers<undefined>()
  const decided = Promise.withResolvers<Registered>()
  const connection = new AgentConnection({
    socket,
    identity: { agentId: 'local', by: 'key', keyId: 'abcdefgh', ...identity },
    registrations: {
      register: () => {
        asked.resolve(undefined)
        return decided.promise
      },
    },
    lease: () => ({ id: 1n }),
    openQueue: (_, events) => new TestQueue(events),
    heartbeatIntervalSeconds: 30,
    staleAfterSeconds: 75,
    onRegistered: () => undefined,
    onRefused: () => undefined,
    onFenced: () => undefined,
    onHealth: () => undefined,
    onClosed: () => undefined,
    log: recordedLog().log,
  })
  await agent.open()
  return {
    connection,
    agent,
    asks: async () => {
      agent.say(registration())
      await asked.promise
    },
    admit: async (registered) => {
      decided.resolve({
        agentId: 'local',
        connectionId: connection.connectionId,
        epoch: 10n,
        holder: 'pod-0_uid-0_boot-0',
        fence: { key: keys.fence('local'), modRevision: 10n },
        as: 'first',
        protocolVersion: 1,
        ...registered,
      })
      await agent.told('registered')
    },
    close: async () => {
      agent.socket.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
