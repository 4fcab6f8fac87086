import {
  type AgentMessage,
  agentMessage,
  closeCodes,
  type ControlPlaneMessage,
  mostMissedPings,
  pingIntervalSeconds,
} from '@regent/contract/messages.ts'
import type { RawData, WebSocket } from 'ws'

/** Most bytes that wait for a slow agent; beyond it the connection is given up, and the agent makes another. */
const mostBufferedBytes = 4 * 1024 * 1024
/** Close code of RFC 6455's registry for a peer that should come back later. */
const tryAgainLater = 1013
/** How long the other side may take to answer a close, in milliseconds. */
const closeMilliseconds = 2_000
/** Longest reason of a close, in bytes: what a control frame leaves for it. */
const mostReasonBytes = 123

export interface AgentSocketEvents {
  /** A message of the protocol. Nothing else arrives, and nothing arrives while the socket is paused. */
  readonly onMessage: (message: AgentMessage) => void
  /** A message of a type that this version does not know: at most the first 64 characters of the type. */
  readonly onUnknown: (type: string) => void
  /** Once, at the end, whoever ended it. */
  readonly onClosed: (code: number) => void
}

export interface AgentSocketOptions {
  /** How often a ping is sent, in seconds. @default the protocol's */
  readonly pingSeconds?: number
}

/**
 * One agent's WebSocket, on which only whole messages of the protocol travel. It ends by itself for a peer that does
 * not answer pings, that sends anything else, or that does not take what it is sent.
 *
 * Frames beyond the largest message are refused by the WebSocket server that made it (`maxPayload`).
 */
export class AgentSocket {
  readonly #socket: WebSocket
  readonly #events: AgentSocketEvents
  readonly #pings: NodeJS.Timeout
  #missedPings = 0
  #isOver = false

  constructor(
    socket: WebSocket,
    events: AgentSocketEvents,
    { pingSeconds = pingIntervalSeconds }: AgentSocketOptions = {},
  ) {
    this.#socket = socket
    this.#events = events
    this.#pings = setInterval(() => this.#ping(), pingSeconds * 1000)
    socket.on('message', (data, isBinary) => this.#take(data, isBinary))
    socket.on('pong', () => (this.#missedPings = 0))
    // What went wrong is in the code of the close that follows.
    socket.on('error', () => undefined)
    socket.on('close', (code) => {
      clearInterval(this.#pings)
      this.#isOver = true
      events.onClosed(code)
    })
  }

  /** Whether it was closed, or is being closed: what is sent from now on goes nowhere. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Sends a message; one that is sent after the end goes nowhere. */
  send(message: ControlPlaneMessage): void {
    if (this.#isOver) return
    this.#socket.send(JSON.stringify(message))
    if (this.#socket.bufferedAmount > mostBufferedBytes) this.#give(tryAgainLater, 'what was sent is not read')
  }

  /** Reads no further until `resume`: the agent is slowed down by its own kernel. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Closes the connection and says why. A peer that does not answer is cut off. */
  close(code: number, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#pings)
    // A paused socket would not see the answer to the close.
    this.#socket.resume()
    this.#socket.close(code, cut(reason, mostReasonBytes))
    const late = setTimeout(() => this.#socket.terminate(), closeMilliseconds)
    this.#socket.once('close', () => clearTimeout(late))
  }

  #ping(): void {
    // Unanswered, or unread because we do not read: then the peer is not to blame.
    if (!this.#socket.isPaused) this.#missedPings += 1
    if (this.#missedPings > mostMissedPings) this.#socket.terminate()
    else this.#socket.ping()
  }

  #take(data: RawData, isBinary: boolean): void {
    if (this.#isOver) return
    // As the server sets it up, a whole message is one Buffer.
    const read = isBinary || !Buffer.isBuffer(data) ? undefined : parsed(data)
    if (read === undefined) this.close(closeCodes.unexpectedMessage, 'that is no message of the protocol')
    else if ('unknown' in read) this.#events.onUnknown(read.unknown)
    else this.#events.onMessage(read.message)
  }

  /** Ends a connection whose peer takes nothing: a close frame would wait behind everything else. */
  #give(code: number, reason: string): void {
    this.close(code, reason)
    this.#socket.terminate()
  }
}

const knownTypes = new Set<string>(agentMessage.def.options.flatMap((option) => option.shape.type.def.values))

/** The message of a frame, or its type where this version does not know that; nothing for what is no message. */
function parsed(data: Buffer): { readonly message: AgentMessage } | { readonly unknown: string } | undefined {
  let frame: unknown
  try {
    frame = JSON.parse(data.toString('utf8'))
  } catch {
    return undefined
  }
  const checked = agentMessage.safeParse(frame)
  if (checked.success) return { message: checked.data }
  const type = typeOf(frame)
  return type === undefined || knownTypes.has(type) ? undefined : { unknown: type.slice(0, 64).toWellFormed() }
}

function typeOf(frame: unknown): string | undefined {
  const hasType = typeof frame === 'object' && frame !== null && 'type' in frame
  return hasType && typeof frame.type === 'string' ? frame.type : undefined
}

/** A text that has at most so many bytes, cut between characters. */
function cut(text: string, mostBytes: number): string {
  let kept = text
  while (Buffer.byteLength(kept) > mostBytes) kept = kept.slice(0, -1)
  return kept.toWellFormed()
}
