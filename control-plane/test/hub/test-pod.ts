import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { CommandQueue, Outcome, QueueEvents } from '../../src/hub/agent-connection.ts'
import { AgentsServer, type AgentsServerOptions } from '../../src/hub/agents-server.ts'
import { Hub, type HubOptions } from '../../src/hub/hub.ts'
import type { AgentIdentity } from '../../src/identity/agent-identity.ts'
import type { Store } from '../../src/store/store.ts'
import type { Etcd } from '../support/etcd.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'

/** A queue that remembers what it was told, and answers what a test wants. */
export class TestQueue implements CommandQueue {
  readonly waiting = 0
  readonly calls: string[] = []
  readonly events: QueueEvents
  answer: () => Promise<'stored' | 'fenced'> = () => Promise.resolve('stored')

  constructor(events: QueueEvents) {
    this.events = events
  }

  start = (): void => void this.calls.push('start')
  pause = (): void => void this.calls.push('pause')
  received = (commandId: string): void => void this.calls.push(`received ${commandId}`)
  close = (): Promise<void> => Promise.resolve(void this.calls.push('close'))
  finish(outcome: Outcome): Promise<'stored' | 'fenced'> {
    this.calls.push(`${outcome.type} ${outcome.commandId}`)
    return this.answer()
  }
}

export interface TestPodOptions extends Partial<Pick<HubOptions, 'staleAfterSeconds' | 'roundMs'>> {
  readonly etcd: Etcd
  readonly name: string
  readonly authenticate: AgentsServerOptions<AgentIdentity>['authenticate']
}

/** A pod of the control plane as far as agents see it. */
export interface TestPod {
  readonly hub: Hub
  readonly store: Store
  readonly port: number
  readonly queues: TestQueue[]
  readonly log: ReturnType<typeof recordedLog>
  /** What was told for metrics of each registration. */
  readonly counted: string[]
  /** What was told for metrics of what is fenced. */
  readonly fenced: string[]
  readonly dial: (bearer?: string) => Promise<RecordedAgent>
  /** Connects and registers. */
  readonly register: (leadership?: Parameters<typeof registration>[0], bearer?: string) => Promise<RecordedAgent>
  readonly close: () => Promise<void>
}

/** Starts a pod and waits until agents may register. */
export async function startPod({ etcd, name, authenticate, ...options }: TestPodOptions): Promise<TestPod> {
  const store = openStore(etcd)
  const queues: TestQueue[] = []
  const log = recordedLog()
  const counted: string[] = []
  const fenced: string[] = []
  const hub = new Hub({
    store,
    pod: { name, uid: `${name}-uid` },
    heartbeatIntervalSeconds: 30,
    staleAfterSeconds: 75,
    openQueue: (_, events) => {
      const queue = new TestQueue(events)
      queues.push(queue)
      return queue
    },
    events: {
      onRegistration: (outcome, as) => counted.push(as === undefined ? outcome : `${outcome} ${as}`),
      onFenced: (agentId, reason) => fenced.push(`${agentId} ${reason}`),
    },
    log: log.log,
    ...options,
  })
  hub.start()
  const server = new AgentsServer<AgentIdentity>({
    address: '127.0.0.1',
    port: 0,
    mostConnections: 100,
    authenticate,
    onAgent: (socket, identity) => hub.accept(socket, identity),
  })
  const port = await server.listen()
  await waitFor('lease of the pod', () => Promise.resolve(hub.isReady || Promise.reject(new Error('none yet'))), {
    seconds: 10,
    everyMilliseconds: 20,
  })
  const dial = (bearer = 'cluster'): Promise<RecordedAgent> => new RecordedAgent(port, bearer).open()
  const register: TestPod['register'] = async (leadership, bearer) => {
    const agent = await dial(bearer)
    agent.say(registration(leadership))
    return agent
  }
  const close = async (): Promise<void> => {
    await hub.close()
    await server.close()
    store.close()
  }
  return { hub, store, port, queues, log, counted, fenced, dial, register, close }
}
