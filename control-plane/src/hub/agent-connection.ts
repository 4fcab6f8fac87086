import { randomUUID } from 'node:crypto'
import {
  type AgentMessage,
  closeCodes,
  type ControlPlaneMessage,
  registerWithinSeconds,
} from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { WebSocket } from 'ws'
import type { AgentIdentity } from '../identity/agent-identity.ts'
import { isPassing, LeaseLost, StoreFull, StoreUnavailable } from '../store/errors.ts'
import type { Lease } from '../store/lease.ts'
import { AgentSocket } from './agent-socket.ts'
import { CredentialsEnd } from './credentials-end.ts'
import type { Refused, Registered, Registration, Registrations } from './registrations.ts'

/** Codes of RFC 6455 and its registry. */
export const ordinaryCodes = { done: 1000, goingAway: 1001, internal: 1011, tryAgainLater: 1013 } as const

/** Most results that are being stored at once; beyond it nothing more is read from the agent. */
const mostUnanswered = 64

/** What an agent says of itself in a heartbeat. */
export type Heartbeat = Extract<AgentMessage, { readonly type: 'heartbeat' }>
export type Health = Heartbeat['status'] | 'stale'
export type Outcome = Extract<AgentMessage, { readonly type: 'done' | 'failed' }>

/** The commands of one agent, as long as one connection speaks for it. */
export interface CommandQueue {
  /** Sends what may be sent, from now on. */
  start(): void
  /** Sends nothing new; results are still taken. */
  pause(): void
  received(commandId: string): void
  /**
   * Stores how a command ended. Resolves when it is stored, or when there is nothing to store because it was stored
   * before or does not exist any more. `fenced`: another connection speaks for the agent now.
   * @throws StoreUnavailable, StoreFull where it may not be stored; anything else where this pod cannot store it
   */
  finish(outcome: Outcome): Promise<'stored' | 'fenced'>
  /** Commands that wait to be sent. */
  readonly waiting: number
  /** Ends everything. */
  close(): Promise<void>
}

/** What a queue does to the connection that it is of. */
export interface QueueEvents {
  readonly send: (message: ControlPlaneMessage) => void
  /** Another connection speaks for the agent now. */
  readonly onFenced: () => void
  /** The queue has ended by a fault. */
  readonly onFailed: (error: unknown) => void
}

export interface AgentConnectionOptions {
  readonly socket: WebSocket
  readonly identity: AgentIdentity
  readonly registrations: Pick<Registrations, 'register'>
  /** The lease of this pod; nothing while etcd is away. */
  readonly lease: () => Pick<Lease, 'id'> | undefined
  readonly openQueue: (registered: Registered, events: QueueEvents) => CommandQueue
  readonly heartbeatIntervalSeconds: number
  /** Silence after which the agent is stale, in seconds. */
  readonly staleAfterSeconds: number
  readonly onRegistered: (connection: AgentConnection, registered: Registered) => void
  readonly onRefused: (refused: Refused, message: Registration) => void
  /** What the agent sent, or was to be sent, is refused: another connection speaks for it now. */
  readonly onFenced: (agentId: string, what: 'result' | 'delivery') => void
  /** The agent is doing well, or not so well. */
  readonly onHealth: (registered: Registered, health: Health, activeSessions: number | undefined) => void
  /** Once, when the socket is closed and the queue has ended. */
  readonly onClosed: (connection: AgentConnection, code: number) => void
  readonly log: Log
}

/**
 * One connection of an agent, from its first message to its end. What the agent sends is handled as it comes; what
 * takes time, storing a result, is bounded in number, and nothing more is read meanwhile.
 */
export class AgentConnection {
  readonly connectionId = randomUUID()
  readonly identity: AgentIdentity
  readonly #options: AgentConnectionOptions
  readonly #socket: AgentSocket
  readonly #registrationTimer: NodeJS.Timeout
  readonly #credentialsEnd: CredentialsEnd
  #staleTimer: NodeJS.Timeout | undefined
  #registering: Promise<void> | undefined
  #registered: Registered | undefined
  #queue: CommandQueue | undefined
  #health: Health = 'online'
  #unanswered = 0
  #hasIgnored = false
  /** Newer credentials are due, and the agent has yet to register. */
  #asksForNewer = false

  constructor(options: AgentConnectionOptions) {
    this.#options = options
    this.identity = options.identity
    this.#socket = new AgentSocket(options.socket, {
      onMessage: (message) => this.#take(message),
      onUnknown: (type) => this.#ignore(type),
      onClosed: (code) => void this.#ended(code),
    })
    this.#registrationTimer = setTimeout(
      () => this.close(closeCodes.registrationTimeout, `no registration within ${registerWithinSeconds} s`),
      registerWithinSeconds * 1000,
    )
    const { by, expiresAt } = options.identity
    // A ServiceAccount's token ends with its pod, and its pod with us.
    this.#credentialsEnd = new CredentialsEnd(by === 'serviceAccount' ? undefined : expiresAt, {
      onSoon: () => this.#askForNewer(),
      onOver: () => this.close(closeCodes.unauthenticated, 'the credentials have expired'),
    })
  }

  /** What was registered; nothing before that. */
  get registered(): Registered | undefined {
    return this.#registered
  }

  get health(): Health {
    return this.#health
  }

  /** Commands that wait for this agent. */
  get waiting(): number {
    return this.#queue?.waiting ?? 0
  }

  /** Asks the agent to connect to another pod. It keeps this connection until it has. */
  move(reason: string): void {
    this.#socket.send({ type: 'move', reason })
  }

  /** Another connection speaks for the agent now. */
  supersede(epoch: bigint, holder: string): void {
    // The same leader moved: it has nothing to look up.
    const hasMoved = this.#registered?.epoch === epoch && this.#registered.holder === holder
    if (hasMoved) this.close(ordinaryCodes.done, 'moved')
    else this.close(closeCodes.fenced, 'a newer leadership registered')
  }

  /** The key of this connection ends then, or before. */
  keyEnds(expiresAt: Date): void {
    this.#credentialsEnd.bringForwardTo(expiresAt)
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  #take(message: AgentMessage): void {
    if (this.#registered === undefined || message.type === 'register') {
      if (message.type === 'register' && this.#registering === undefined) this.#registering = this.#register(message)
      else this.close(closeCodes.unexpectedMessage, `'${message.type}' is out of turn`)
      return
    }
    switch (message.type) {
      case 'heartbeat':
        this.#beat(this.#registered, message.status, message.activeSessions)
        return
      case 'received':
        this.#queue?.received(message.commandId)
        return
      case 'done':
      case 'failed':
        void this.#finish(message)
    }
  }

  /** A type that this version does not know: of a newer agent, which does not rely on it. */
  #ignore(type: string): void {
    if (this.#registered === undefined) {
      this.close(closeCodes.unexpectedMessage, 'expected a registration first')
      return
    }
    if (this.#hasIgnored) return
    this.#hasIgnored = true
    const { log, identity } = this.#options
    log.info('message-ignored', { agent: identity.agentId, type, message: 'said once for this connection' })
  }

  async #register(message: Registration): Promise<void> {
    clearTimeout(this.#registrationTimer)
    const { registrations, identity, heartbeatIntervalSeconds, onRegistered, onRefused, openQueue, log } = this.#options
    // Until it is registered nothing else may come; what does waits in its kernel.
    this.#socket.pause()
    try {
      const lease = this.#options.lease()
      if (lease === undefined) throw new StoreUnavailable('this pod has no lease of etcd', { mayHaveHappened: false })
      const outcome = await registrations.register(identity, message, this.connectionId, lease)
      if ('code' in outcome) {
        onRefused(outcome, message)
        this.close(outcome.code, outcome.reason)
        return
      }
      if (outcome.keyExpiresAt !== undefined) this.keyEnds(outcome.keyExpiresAt)
      this.#registered = outcome
      const { connectionId } = this
      const { protocolVersion } = outcome
      this.#socket.send({ type: 'registered', connectionId, heartbeatIntervalSeconds, protocolVersion })
      if (this.#asksForNewer) this.#askForNewer()
      onRegistered(this, outcome)
      // It may have been closed meanwhile: then it is entered, and left by whoever hears of the end.
      if (this.#socket.isOver) return
      this.#queue = openQueue(outcome, this.#queueEvents())
      this.#queue.start()
      this.#watchSilence()
      this.#socket.resume()
    } catch (error) {
      const why = error instanceof StoreFull ? ': etcd has no room left' : ''
      const said = `the registration could not be stored${why}`
      if (mayComeAgain(error)) this.close(ordinaryCodes.tryAgainLater, said)
      else {
        log.error('registration-failed', { agent: identity.agentId, error: error as Error })
        this.close(ordinaryCodes.internal, said)
      }
    }
  }

  #beat(registered: Registered, health: Health, activeSessions?: number): void {
    this.#watchSilence()
    this.#health = health
    // Who drains, is suspended or is silent takes nothing new.
    if (health === 'online') this.#queue?.start()
    else this.#queue?.pause()
    this.#options.onHealth(registered, health, activeSessions)
  }

  async #finish(outcome: Outcome): Promise<void> {
    const { commandId } = outcome
    this.#unanswered += 1
    if (this.#unanswered >= mostUnanswered) this.#socket.pause()
    try {
      const stored = await this.#queue?.finish(outcome)
      if (stored === 'stored') this.#socket.send({ type: 'stored', commandId })
      if (stored === 'fenced') this.#fenced('result')
    } catch (error) {
      // The agent keeps the result until it is told that it is stored, and repeats it when it is connected again.
      const { log, identity } = this.#options
      const said = { agent: identity.agentId, command: commandId, error: error as Error }
      if (!mayComeAgain(error)) {
        // Repeated at once it would fail again, and end the connection that the agent's other commands need.
        log.error('result-unstored', said)
        return
      }
      log.warn('result-unstored', said)
      this.close(ordinaryCodes.tryAgainLater, 'a result could not be stored; repeat it')
    } finally {
      this.#unanswered -= 1
      if (this.#unanswered === mostUnanswered - 1) this.#socket.resume()
    }
  }

  #queueEvents(): QueueEvents {
    const { log, identity } = this.#options
    return {
      send: (message) => this.#socket.send(message),
      onFenced: () => this.#fenced('delivery'),
      onFailed: (error) => {
        log.error('queue-failed', { agent: identity.agentId, error: error as Error })
        this.close(ordinaryCodes.internal, 'the commands of this agent cannot be read')
      },
    }
  }

  #fenced(what: 'result' | 'delivery'): void {
    this.#options.onFenced(this.identity.agentId, what)
    this.close(closeCodes.fenced, 'another connection speaks for this agent')
  }

  #watchSilence(): void {
    clearTimeout(this.#staleTimer)
    this.#staleTimer = setTimeout(() => {
      if (this.#registered === undefined) return
      this.#health = 'stale'
      this.#queue?.pause()
      this.#options.onHealth(this.#registered, 'stale', undefined)
    }, this.#options.staleAfterSeconds * 1000)
  }

  /**
   * Credentials that end, end what they opened: the agent is asked to connect with those that it has by now, or once it
   * has registered.
   */
  #askForNewer(): void {
    if (this.#registered === undefined) this.#asksForNewer = true
    else this.move('the credentials expire soon')
  }

  async #ended(code: number): Promise<void> {
    clearTimeout(this.#registrationTimer)
    clearTimeout(this.#staleTimer)
    this.#credentialsEnd.cancel()
    await this.#registering
    // Set by a registration that was on its way.
    clearTimeout(this.#staleTimer)
    await this.#queue?.close()
    this.#options.onClosed(this, code)
  }
}

/** Whether the agent may come again soon, and repeat what it has said. */
function mayComeAgain(error: unknown): boolean {
  return isPassing(error) || error instanceof LeaseLost
}
