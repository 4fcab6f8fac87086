import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Backoff, reconnectBackoff } from '../backoff.ts'
import { monotonicElapsedMs, systemClock, type Clock, type Instant } from '../clock.ts'
import { textAt } from '../json.ts'
import { contact, isClosedByPeer, type Attempt, type Contact } from './connect.ts'
import { helloLine, type Hello, type Incarnation } from './protocol.ts'

/** The leader, as its Lease names it. */
export interface PeerTarget {
  readonly address: string
  readonly port: number
  readonly podUid: string
  readonly boot: string
}

export interface PeerLinkEvents {
  /** The leader answered: from now on its death is seen. */
  connected: [PeerTarget]
  /** The connection of a leader that had answered was closed from there, and then it was gone. */
  dead: [{ readonly target: PeerTarget; readonly why: string }]
  /** A claim of death did not hold, or could not be confirmed. A `dead` may still follow. */
  refuted: [{ readonly target: PeerTarget; readonly why: string }]
}

export interface PeerLinkOptions {
  /** Who follows. */
  readonly identity: Omit<Hello, 'ready' | 'reaches'>
  /** How long a new connection may take to confirm or refute a death, answer included, in milliseconds. @default 250 */
  readonly confirmMs?: number
  /** How long a connection may take to be answered otherwise, in milliseconds. @default 1000 */
  readonly handshakeMs?: number
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
  /** @default the system's */
  readonly clock?: Clock
}

/** Between two attempts to confirm while the other side accepts and closes: a process that ends does so for a moment. */
const endingMs = 5

/** That the connection of a leader was closed from there. It stands until the leader answers again. */
interface Claim {
  /** When confirming it began. */
  since: Instant | undefined
  verdict: 'dead' | 'refuted' | undefined
}

/**
 * A standby's connection to the leader, whose end is evidence of the leader's death: when a process dies, its kernel
 * closes its connections within milliseconds and refuses new ones.
 *
 * Evidence needs all of these: the leader answered here before, as the process that its Lease names; its connection
 * was closed from there, not by a time limit; and a new connection was refused by that address, or answered by another
 * process. A process that is stopped lets its kernel accept connections, so only an answer counts as a sign of life,
 * and no answer counts as nothing.
 *
 * Not guaranteed: that the leader is dead. A middlebox that resets and refuses, or a pod address that is used again
 * at once, can lie; so whoever acts on it must be fenced. Nor that a death is seen: a lost node, a partition and a
 * paused process end no connection.
 */
export class PeerLink extends EventEmitter<PeerLinkEvents> {
  readonly #options: PeerLinkOptions
  readonly #clock: Clock
  #ready = false
  #reaches = false
  #target: PeerTarget | undefined
  #backoff: Backoff
  #attempt: Attempt | undefined
  #next: NodeJS.Timeout | undefined
  #socket: Socket | undefined
  #hasAnswered = false
  #claim: Claim | undefined
  /** The hello that the leader was told last. */
  #told = ''

  constructor(options: PeerLinkOptions) {
    super()
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#backoff = this.#newBackoff()
  }

  /** Holds a connection to this leader and to no other. The same leader again changes nothing. */
  follow(target: PeerTarget | undefined): void {
    if (isSame(target, this.#target)) return
    this.#drop()
    this.#target = target
    this.#hasAnswered = false
    this.#claim = undefined
    this.#backoff = this.#newBackoff()
    this.#schedule(0)
  }

  /**
   * Tells the leader whether this replica would accept leadership now, and whether it reaches the control plane. Until
   * it is called: neither.
   */
  announce(ready: boolean, reaches: boolean): void {
    this.#ready = ready
    this.#reaches = reaches
    this.#tell()
  }

  /** Whether the leader has answered, and its connection stands. */
  get isConnected(): boolean {
    return this.#socket !== undefined
  }

  /** Asks again whether the leader is dead: `dead` or `refuted` follows, unless another is followed or none. */
  confirm(): void {
    const target = this.#target
    if (target === undefined) return
    if (this.#claim !== undefined) {
      this.#claim = { since: undefined, verdict: undefined }
      this.#attempt?.cancel()
      this.#attempt = undefined
      this.#schedule(0)
      return
    }
    const why = this.#hasAnswered
      ? 'its connection stands, or did not end from there'
      : 'it never answered, so its silence says nothing'
    setImmediate(() => {
      if (this.#target === target) this.emit('refuted', { target, why })
    })
  }

  /** Follows nobody. */
  close(): void {
    this.follow(undefined)
  }

  #newBackoff(): Backoff {
    const { random } = this.#options
    return new Backoff({ ...reconnectBackoff, ...(random !== undefined && { random }) })
  }

  #hello(): Hello {
    return { ...this.#options.identity, ready: this.#ready, reaches: this.#reaches }
  }

  /** Says hello again where something in it has changed. */
  #tell(): void {
    const line = helloLine(this.#hello())
    if (this.#socket === undefined || line === this.#told) return
    this.#told = line
    this.#socket.write(line)
  }

  #drop(): void {
    clearTimeout(this.#next)
    this.#attempt?.cancel()
    this.#attempt = undefined
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#next)
    const target = this.#target
    if (target === undefined) return
    if (delayMs > 0) this.#next = setTimeout(() => this.#contact(target), delayMs)
    else this.#contact(target)
  }

  #contact(target: PeerTarget): void {
    const { confirmMs = 250, handshakeMs = 1000 } = this.#options
    const hello = (): Hello => {
      const said = this.#hello()
      this.#told = helloLine(said)
      return said
    }
    if (this.#claim !== undefined) this.#claim.since ??= this.#clock.now()
    this.#attempt = contact(target, hello, this.#claim === undefined ? handshakeMs : confirmMs, (outcome) => {
      this.#attempt = undefined
      if (outcome.kind === 'answered' && isAnswerOf(outcome.by, target)) {
        this.#establish(target, outcome.socket)
        return
      }
      if (outcome.kind === 'answered') outcome.socket.destroy()
      if (this.#claim !== undefined && this.#isEnding(outcome, this.#claim)) {
        this.#schedule(endingMs)
        return
      }
      if (this.#claim !== undefined) this.#judge(target, outcome, this.#claim)
      // Whoever listens may follow another by now, or have asked again.
      if (this.#target === target && this.#isIdle()) {
        this.#schedule(this.#backoff.nextDelayMs(this.#clock.now().monotonicMs))
      }
    })
  }

  #isIdle(): boolean {
    return this.#attempt === undefined && this.#socket === undefined
  }

  /** A process that dies may still accept for a moment, and a listener without room does: one look is not enough. */
  #isEnding(outcome: Contact, claim: Claim): boolean {
    const { confirmMs = 250 } = this.#options
    if (outcome.kind !== 'closed' || claim.verdict !== undefined || claim.since === undefined) return false
    return monotonicElapsedMs(claim.since, this.#clock.now()) < confirmMs
  }

  #judge(target: PeerTarget, outcome: Contact, claim: Claim): void {
    if (outcome.kind === 'refused' || outcome.kind === 'answered') {
      if (claim.verdict === 'dead') return
      claim.verdict = 'dead'
      const now =
        outcome.kind === 'refused'
          ? outcome.why
          : `another process answered there: pod UID ${outcome.by.podUid}, boot ${outcome.by.boot}`
      this.emit('dead', { target, why: `its connection was closed, and ${now}` })
    } else if (claim.verdict === undefined) {
      claim.verdict = 'refuted'
      this.emit('refuted', { target, why: `its connection was closed, but not confirmed: ${outcome.why}` })
    }
  }

  #establish(target: PeerTarget, socket: Socket): void {
    const claim = this.#claim
    this.#claim = undefined
    this.#socket = socket
    if (!this.#hasAnswered) this.#backoff.reset()
    this.#hasAnswered = true
    this.#backoff.began(this.#clock.now().monotonicMs)
    const lost = (isFromThere: boolean): void => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      socket.destroy()
      const now = this.#clock.now()
      if (isFromThere) this.#claim = { since: undefined, verdict: undefined }
      // Not always at once: whoever answers and closes again and again would be asked without end.
      this.#schedule(this.#backoff.nextDelayMs(now.monotonicMs))
    }
    socket.on('end', () => lost(true))
    socket.on('error', (error) => lost(isClosedByPeer(textAt(error, 'code'))))
    socket.on('close', () => lost(false))
    this.#tell()
    if (claim !== undefined && claim.verdict !== 'refuted') {
      this.emit('refuted', { target, why: 'its connection was closed, but the same process answered again' })
    }
    if (this.#socket === socket) this.emit('connected', target)
  }
}

function isSame(one: PeerTarget | undefined, other: PeerTarget | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return (
    one.address === other.address && one.port === other.port && one.podUid === other.podUid && one.boot === other.boot
  )
}

function isAnswerOf(by: Incarnation, target: PeerTarget): boolean {
  return by.podUid === target.podUid && by.boot === target.boot
}
