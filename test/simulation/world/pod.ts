import type { CommandResource, CreateCommand } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { AgentQueue } from '../../../control-plane/src/commands/agent-queue.ts'
import { Commands } from '../../../control-plane/src/commands/commands.ts'
import { HourlyLease } from '../../../control-plane/src/commands/hourly-lease.ts'
import { SharedFollow } from '../../../control-plane/src/commands/shared-follow.ts'
import { Sweep } from '../../../control-plane/src/commands/sweep.ts'
import { Hub } from '../../../control-plane/src/hub/hub.ts'
import { prefixes } from '../../../control-plane/src/store/keys.ts'
import { Store } from '../../../control-plane/src/store/store.ts'
import type { SimulatedEtcd } from '../etcd/etcd.ts'
import type { HasEtcd } from '../replaced/members.ts'
import type { Caller, Listener, WebSocket } from '../replaced/web-socket.ts'
import { SimulatedProcess, type Surroundings, type Thread } from './simulated-process.ts'
import { Way } from './way.ts'

const drainBudgetSeconds = 5

/** What a pod needs of its world. */
export interface PodWorld extends Surroundings {
  readonly etcd: SimulatedEtcd
  readonly logOf: (name: string) => Log
}

interface Running {
  readonly process: SimulatedProcess
  readonly hub: Hub
  readonly commands: Commands
  readonly stop: () => Promise<void>
}

/** A pod of the control plane: its store, hub, queues and sweep as `serve.ts` puts them together, without HTTP. */
export class Pod implements Listener, HasEtcd {
  readonly name: string
  readonly etcd: SimulatedEtcd
  readonly toEtcd: Way
  /** How agents reach it. */
  readonly way: Way
  readonly #world: PodWorld
  #running: Running | undefined
  #isStopping = false
  #starts = 0

  constructor(world: PodWorld, name: string) {
    this.#world = world
    this.name = name
    this.etcd = world.etcd
    this.toEtcd = new Way(world)
    this.way = new Way(world)
    this.#start()
  }

  get process(): SimulatedProcess | undefined {
    return this.#running?.process
  }

  get thread(): Thread {
    if (this.#running === undefined) throw new Error(`${this.name} does not run`)
    return this.#running.process.main
  }

  /** Whether the Service sends anybody to it: it does not learn at once that a pod hangs. */
  get isReady(): boolean {
    return this.#running?.process.isAlive === true && !this.#isStopping
  }

  accept(socket: WebSocket, { credentials }: Caller): boolean {
    if (this.#running?.hub.isReady !== true || this.#isStopping) return false
    this.#running.hub.accept(socket as unknown as Parameters<Hub['accept']>[0], credentials)
    return true
  }

  /** To be called in its thread. */
  async create(wanted: CreateCommand, idempotencyKey: string): Promise<CommandResource> {
    if (this.#running === undefined) throw new Error(`${this.name} does not run`)
    return (await this.#running.commands.create('local', wanted, { by: 'client', idempotencyKey })).command
  }

  /** To be called in its thread. */
  async cancel(commandId: string): Promise<void> {
    await this.#running?.commands.cancel('local', commandId, { by: 'client' })
  }

  /** SIGTERM; whoever is not over in its time is killed. */
  stop(): void {
    const running = this.#running
    if (running === undefined || this.#isStopping) return
    this.#isStopping = true
    running.process.main.run(() => {
      void running.stop().then(() => running.process.kill())
      setTimeout(() => running.process.kill(), (drainBudgetSeconds + 4) * 1000)
    })
  }

  #start(): void {
    this.#starts += 1
    this.#isStopping = false
    const process = new SimulatedProcess(`${this.name}-${this.#starts}`, this.#world, this)
    process.onEnd.add(() => {
      this.#running = undefined
      this.#world.events.after(300 + this.#world.random() * 2500, () => this.#start())
    })
    process.main.run(() => {
      this.#running = this.#assemble(process)
    })
  }

  #assemble(process: SimulatedProcess): Running {
    const log = this.#world.logOf(process.name)
    const store = new Store({ endpoints: ['http://etcd'], log })
    const ended = new AbortController()
    const lease = new HourlyLease(store)
    const ofCommands = { store, lease, log }
    const commands = new Commands({ ...ofCommands, mostOpen: 1000 })
    const open = new SharedFollow(store, prefixes.allOpenCommands, log)
    const tasks = [open.run(ended.signal), new Sweep(ofCommands).run(ended.signal)]
    const hub = new Hub({
      store,
      pod: { name: process.name, uid: process.name },
      heartbeatIntervalSeconds: 30,
      staleAfterSeconds: 75,
      openQueue: ({ agentId, connectionId, epoch, holder, fence }, events) =>
        new AgentQueue({
          ...ofCommands,
          open,
          agentId,
          fence,
          deliverer: { connectionId, holder, epoch: String(epoch) },
          ...events,
        }),
      events: { onRegistration: () => undefined, onFenced: () => undefined },
      log,
    })
    hub.start()
    const stop = async (): Promise<void> => {
      await hub.drain(drainBudgetSeconds)
      await hub.close()
      ended.abort()
      await Promise.all(tasks)
      store.close()
    }
    return { process, hub, commands, stop }
  }
}
