import type { Log } from '@regent/runtime/logging/log.ts'
import { Events, randomOf } from '../../../agent/test/election/model/events.ts'
import { fieldOf, type History, type StoreChange } from '../../chain/history/history.ts'
import { SimulatedEtcd } from '../etcd/etcd.ts'
import type { Event } from '../etcd/key-space.ts'
import type { Begun } from '../judge.ts'
import { SimulatedApiServer } from './api-server.ts'
import { Clients } from './clients.ts'
import { real } from './globals.ts'
import { Peers } from './peers.ts'
import { Pod, type PodWorld } from './pod.ts'
import { Replica, type ReplicaWorld } from './replica.ts'
import type { SimulatedProcess } from './simulated-process.ts'

const prefix = '/regent/v1/'
/** What the checker reads of etcd. */
const judged = /^(fences|connections|status|commands\/open|commands\/done)\//

/** After so many events Node has a turn of its own. */
const turnSteps = 32

export interface WorldOptions {
  readonly seed: number
  /** Keeps everything that happens in words. @default false */
  readonly tells?: boolean
}

/** Three replicas of the agent, pods of the control plane, etcd, the API server, people who ask, and the network. */
export class World implements PodWorld, ReplicaWorld {
  readonly events = new Events()
  readonly random: () => number
  readonly etcd: SimulatedEtcd
  readonly api: SimulatedApiServer
  readonly peers = new Peers()
  readonly usesEvidence: boolean
  readonly replicas: readonly Replica[]
  readonly pods: readonly Pod[]
  readonly clients: Clients
  /** What a program threw where nobody caught it. */
  readonly crashes: string[] = []
  readonly story: string[] = []
  /** Commands that an agent began to run. */
  readonly begun: Begun[] = []
  steps = 0
  readonly #store: StoreChange[] = []
  /** What is stored now of what is judged. */
  readonly #stored = new Map<string, unknown>()
  readonly #tells: boolean

  constructor({ seed, tells = false }: WorldOptions) {
    const { events } = this
    this.#tells = tells
    const random = randomOf(seed)
    this.random = random
    this.usesEvidence = random() < 0.5
    const time = { after: (ms: number, run: () => void) => events.after(ms, run), random }
    this.etcd = new SimulatedEtcd(time, (changes) => this.#record(changes))
    this.api = new SimulatedApiServer(this, (holder, version) =>
      this.say('api-server', `${holder} leads as ${version}`),
    )
    this.pods = Array.from({ length: 2 + Math.floor(random() * 2) }, (_, index) => new Pod(this, `cp-${index}`))
    this.replicas = Array.from({ length: 3 }, (_, index) => new Replica(this, `agent-${index}`))
    this.clients = new Clients(this, () => this.chosenPod(), 2)
  }

  /** Whoever the Service sends somebody to. */
  chosenPod(): Pod | undefined {
    const ready = this.pods.filter(({ isReady }) => isReady)
    return ready[Math.floor(this.random() * ready.length)]
  }

  get history(): History {
    return { client: this.clients.events, store: this.#store, effects: this.api.effects }
  }

  /** What is still to come to rest: what was asked for, and who speaks for the agent. */
  get unrest(): readonly string[] {
    const open = [...this.#stored.keys()].filter((key) => key.startsWith('commands/open/'))
    const [fence, connection] = [this.#stored.get('fences/local'), this.#stored.get('connections/local')]
    const speaks = fieldOf(fence, 'connectionId')
    const isEntered = speaks !== undefined && speaks === fieldOf(connection, 'connectionId')
    const isOnline = fieldOf(this.#stored.get('status/local'), 'health') === 'online'
    return [
      ...(this.clients.areAnswered ? [] : ['a client was not answered']),
      ...open.map((key) => `${key} is open`),
      ...(isEntered ? [] : ['the agent is not registered, or its connection is not entered']),
      ...(isOnline ? [] : ['the agent is not online']),
    ]
  }

  began(commandId: string, epoch: bigint): void {
    this.begun.push({ commandId, epoch, revision: Number(this.etcd.keys.revision) })
    this.say('agent', `runs ${commandId} in epoch ${epoch}`)
  }

  /** Lets it run until then, one event after the other, each to the end of what follows from it at once. */
  async runUntil(endMs: number): Promise<void> {
    while (this.events.runNext(endMs)) {
      this.steps += 1
      // A tick comes when no promise is left to go on, and costs a third; rejections are told only between turns.
      if (this.steps % turnSteps === 0) await new Promise((resolve) => real.setImmediate(resolve))
      else await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    await new Promise((resolve) => real.setImmediate(resolve))
  }

  crashed(process: Pick<SimulatedProcess, 'name'>, error: unknown): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.crashes.push(`${process.name}: ${what}`)
  }

  logOf(name: string): Log {
    const write =
      (level: string) =>
      (event: string, fields: object = {}) =>
        this.say(name, () => `${level} ${event} ${shown(fields)}`)
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  }

  say(who: string, what: string | (() => string)): void {
    if (!this.#tells) return
    const text = typeof what === 'string' ? what : what()
    this.story.push(`${(this.events.nowMs / 1000).toFixed(3)} s  ${who}: ${text}`)
  }

  #record(changes: readonly Event[]): void {
    for (const { type, kv, key: whole } of changes) {
      const key = whole.slice(prefix.length)
      if (!judged.test(key)) continue
      const text = Buffer.from(kv.value).toString()
      const change = {
        revision: Number(kv.modRevision),
        key,
        ...(type === 'PUT' && { value: JSON.parse(text) as unknown }),
      }
      this.#store.push(change)
      if (type === 'PUT') this.#stored.set(key, change.value)
      else this.#stored.delete(key)
      this.say('etcd', () => `${change.revision} ${type} ${key} ${type === 'PUT' ? brief(change.value) : ''}`)
    }
  }
}

function shown(fields: object): string {
  return JSON.stringify(fields, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value instanceof Error ? value.message : value,
  )
}

/** What of a value tells how things stand. */
function brief(value: unknown): string {
  const { state, deliveries, epoch, connectionId, error, health, lastDelivery } = value as Record<string, unknown>
  return JSON.stringify({ state, deliveries, epoch, connectionId, error, health, lastDelivery })
}
