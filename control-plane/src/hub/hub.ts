import { setTimeout as pause } from 'node:timers/promises'
import { closeCodes } from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { WebSocket } from 'ws'
import type { AgentIdentity } from '../identity/agent-identity.ts'
import { prefixes } from '../store/keys.ts'
import type { Lease } from '../store/lease.ts'
import { isAborted } from '../store/retry.ts'
import type { Store } from '../store/store.ts'
import { AgentConnection, type CommandQueue, type Health, ordinaryCodes, type QueueEvents } from './agent-connection.ts'
import { AgentStatus } from './agent-status.ts'
import { FenceConflicts } from './fence-conflicts.ts'
import { sweepOffline } from './offline-sweep.ts'
import { OpenConnections } from './open-connections.ts'
import { PodPresence, podRecord } from './pod-presence.ts'
import { excessOf } from './rebalance.ts'
import { type Refused, type Registered, type Registration, Registrations } from './registrations.ts'
import { watchRights } from './rights.ts'

/** So often in a round a pod tells how many agents it serves: no round acts on what the one before has changed. */
const toldPerRound = 6
/** How often it is looked whether every agent has moved, in milliseconds. */
const movedEveryMs = 100

/** What the hub tells of itself, as it happens. */
export interface HubEvents {
  /** @param as how an accepted one relates to the leadership before */
  readonly onRegistration: (outcome: 'accepted' | Refused['outcome'], as?: Registered['as']) => void
  /** A registration, a result or a delivery was refused. */
  readonly onFenced: (agentId: string, reason: string) => void
}

export interface HubOptions {
  readonly store: Store
  readonly pod: { readonly name: string; readonly uid: string }
  readonly heartbeatIntervalSeconds: number
  readonly staleAfterSeconds: number
  readonly openQueue: (registered: Registered, events: QueueEvents) => CommandQueue
  readonly events: HubEvents
  readonly log: Log
  /**
   * How often a pod looks whether others serve fewer agents, and whether agents were left without a pod, in milliseconds.
   * @default 30 000
   */
  readonly roundMs?: number
}

/**
 * The agents that are connected to this pod. What must hold across pods is in etcd alone: who speaks for an agent
 * (its fence), and where it is connected.
 */
export class Hub {
  readonly #options: HubOptions
  readonly #registrations: Registrations
  readonly #presence: PodPresence
  readonly #status: AgentStatus
  readonly #conflicts = new FenceConflicts()
  readonly #open = new OpenConnections()
  /** By agent: the connection that registered last here. */
  readonly #registered = new Map<string, AgentConnection>()
  readonly #roundMs: number
  readonly #stop = new AbortController()
  readonly #leaving = new Set<Promise<void>>()
  #tasks: readonly Promise<void>[] = []
  #isDraining = false

  constructor(options: HubOptions) {
    this.#options = options
    const { store, pod, log, roundMs = 30_000 } = options
    this.#roundMs = roundMs
    this.#registrations = new Registrations({ store, pod })
    this.#status = new AgentStatus({ store, pod, log, signal: this.#stop.signal })
    this.#presence = new PodPresence({
      store,
      pod,
      log,
      connections: () => this.#registered.size,
      writeEveryMs: roundMs / toldPerRound,
      onLease: (lease) => void this.#reenter(lease),
    })
  }

  /** How many connected agents are how. */
  get health(): Readonly<Record<Health, number>> {
    const counted = { online: 0, draining: 0, suspended: 0, stale: 0 }
    for (const { health } of this.#registered.values()) counted[health] += 1
    return counted
  }

  /** Open connections, also those that have not registered. */
  get connections(): number {
    return this.#open.size
  }

  /** Commands that wait for agents that are connected here. */
  get queueDepth(): number {
    return [...this.#registered.values()].reduce((sum, { waiting }) => sum + waiting, 0)
  }

  /** Whether agents can register: this pod has a lease of etcd, and stays. */
  get isReady(): boolean {
    return !this.#isDraining && this.#presence.lease !== undefined
  }

  start(): void {
    const { store, log } = this.#options
    const { signal } = this.#stop
    this.#presence.start()
    this.#tasks = [this.#rounds(), watchRights(store, signal, log, this.#open)]
  }

  /** Takes an agent that proved who it is. */
  accept(socket: WebSocket, identity: AgentIdentity): void {
    const { openQueue, heartbeatIntervalSeconds, staleAfterSeconds, events, log } = this.#options
    const connection = new AgentConnection({
      socket,
      identity,
      registrations: this.#registrations,
      lease: () => (this.#isDraining ? undefined : this.#presence.lease),
      openQueue,
      heartbeatIntervalSeconds,
      staleAfterSeconds,
      onRegistered: (registering, registered) => this.#enter(registering, registered),
      onRefused: (refused, message) => this.#refused(refused, message),
      onFenced: events.onFenced,
      onHealth: (registered, health, sessions) => void this.#status.saw(registered, health, sessions),
      onClosed: (closed, code) => this.#leave(closed, code),
      log,
    })
    this.#open.add(connection)
  }

  /**
   * Asks every agent to connect to another pod and waits until they have, at most so long. None is taken any more.
   */
  async drain(budgetSeconds: number): Promise<void> {
    this.#isDraining = true
    const untilMs = performance.now() + budgetSeconds * 1000
    const agents = [...this.#registered.values()]
    // Spread over half of the time, so that the other pods are not all asked at once.
    const everyMs = (budgetSeconds * 1000) / 2 / Math.max(1, agents.length)
    for (const connection of agents) {
      if (performance.now() >= untilMs) break
      connection.move('this pod stops')
      await pause(Math.min(everyMs, 50))
    }
    while (this.#registered.size > 0 && performance.now() < untilMs) await pause(movedEveryMs)
  }

  /** Closes what is still open, and leaves etcd. */
  async close(): Promise<void> {
    this.#isDraining = true
    for (const connection of this.#open) connection.close(ordinaryCodes.goingAway, 'this pod stops')
    const untilMs = performance.now() + 3_000
    while (this.#open.size > 0 && performance.now() < untilMs) await pause(20)
    const late = setTimeout(() => this.#stop.abort(), Math.max(0, untilMs - performance.now()))
    await Promise.all(this.#leaving)
    clearTimeout(late)
    this.#stop.abort()
    await Promise.all([...this.#tasks, this.#presence.stop()])
  }

  #enter(connection: AgentConnection, registered: Registered): void {
    const { events, log } = this.#options
    const { agentId, epoch, holder } = registered
    const before = this.#registered.get(agentId)
    this.#registered.set(agentId, connection)
    this.#conflicts.admitted(agentId)
    events.onRegistration('accepted', registered.as)
    log.info('agent-registered', { agent: agentId, epoch, holder, as: registered.as, by: connection.identity.by })
    before?.supersede(epoch, holder)
  }

  #refused({ outcome, reason }: Refused, message: Registration): void {
    const { events, log } = this.#options
    const { agentId, lineage, holder } = message
    const epoch = BigInt(message.epoch)
    events.onRegistration(outcome)
    log.warn('registration-refused', { agent: agentId, epoch, holder, outcome, reason })
    if (outcome !== 'older' && outcome !== 'other-holder' && outcome !== 'other-lineage') return
    events.onFenced(agentId, outcome)
    if (!this.#conflicts.refused(agentId, { lineage, epoch, holder }, outcome === 'other-lineage')) return
    log.error('fence-conflict', { agent: agentId, lineage, epoch, holder, reason })
    this.#status.conflict(agentId, { lineage, epoch, holder }).catch((error: unknown) => {
      log.warn('conflict-unwritten', { agent: agentId, error: error as Error })
    })
  }

  #leave(connection: AgentConnection, code: number): void {
    this.#open.delete(connection)
    const { registered } = connection
    if (registered === undefined) return
    const { agentId, connectionId } = registered
    // By connection, never by agent: a newer one may have come.
    if (this.#registered.get(agentId) === connection) this.#registered.delete(agentId)
    this.#options.log.info('agent-disconnected', { agent: agentId, connection: connectionId, code })
    const leaving = this.#status.left(registered).catch((error: unknown) => {
      this.#options.log.error('leaving-failed', { agent: agentId, error: error as Error })
    })
    this.#leaving.add(leaving)
    void leaving.finally(() => this.#leaving.delete(leaving))
  }

  /** Enters every connection with another lease: what went with the one before is gone. */
  async #reenter(lease: Lease): Promise<void> {
    for (const connection of this.#registered.values()) {
      const { registered } = connection
      if (registered === undefined || lease.lost.aborted) continue
      try {
        if (await this.#status.reenter(registered, lease)) continue
        connection.close(closeCodes.fenced, 'another connection speaks for this agent')
      } catch {
        connection.close(ordinaryCodes.tryAgainLater, 'this connection could not be entered again')
      }
    }
  }

  async #rounds(): Promise<void> {
    const { store, pod, log } = this.#options
    const { signal } = this.#stop
    const isOpen = (connectionId: string): boolean => this.#open.has(connectionId)
    while (!signal.aborted) {
      await pause(this.#roundMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
      if (isAborted(signal)) return
      try {
        const offline = await sweepOffline({ store, podUid: pod.uid, isOpen, signal })
        if (offline > 0) log.info('agents-offline', { count: offline })
        await this.#rebalance()
      } catch (error) {
        if (!isAborted(signal)) log.warn('round-failed', { error: error as Error })
      }
    }
  }

  async #rebalance(): Promise<void> {
    const { store, pod } = this.#options
    const { items } = await store.snapshot(prefixes.pods, { signal: this.#stop.signal })
    const others = podRecord
      .parseAll(items)
      .records.filter(({ stored }) => !stored.key.endsWith(`/${pod.uid}`))
      .map(({ value }) => value.connections)
    const excess = this.#isDraining ? 0 : excessOf(this.#registered.size, others)
    for (const connection of [...this.#registered.values()].slice(0, excess)) {
      connection.move('another pod serves fewer agents')
    }
  }
}
