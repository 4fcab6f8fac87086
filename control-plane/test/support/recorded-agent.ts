import { once } from 'node:events'
import {
  type AgentMessage,
  connectPath,
  type ControlPlaneMessage,
  controlPlaneMessage,
  protocolVersions,
  subprotocol,
} from '@regent/contract/messages.ts'
import { WebSocket } from 'ws'

/** How a connection ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

/** The agent's end of a real WebSocket: it says what a test tells it to, and remembers what it is told. */
export class RecordedAgent {
  readonly socket: WebSocket
  readonly messages: ControlPlaneMessage[] = []
  readonly ended: Promise<Ending>
  readonly #waiting = new Set<() => void>()

  /** @param tls what it trusts, and the certificate that it shows; without it, the connection is plain */
  constructor(
    port: number,
    bearer: string | undefined,
    address = '127.0.0.1',
    tls?: { readonly ca: string; readonly cert?: string; readonly key?: string },
  ) {
    this.socket = new WebSocket(
      `${tls === undefined ? 'ws' : 'wss'}://${address}:${port}${connectPath}`,
      [subprotocol],
      {
        headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
        ...tls,
      },
    )
    this.socket.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        for (const wake of this.#waiting) wake()
      })
    })
    this.socket.on('message', (data: Buffer) => {
      this.messages.push(controlPlaneMessage.parse(JSON.parse(data.toString())))
      for (const wake of this.#waiting) wake()
    })
  }

  async open(): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, 'open')
    return this
  }

  say(message: AgentMessage): void {
    this.socket.send(JSON.stringify(message))
  }

  /** The first message of a kind that fits, as soon as it is there. @throws when the connection ends before */
  async told<Type extends ControlPlaneMessage['type']>(
    type: Type,
    fits: (message: Extract<ControlPlaneMessage, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<ControlPlaneMessage, { type: Type }>> {
    for (;;) {
      for (const message of this.messages) if (isOf(message, type) && fits(message)) return message
      if (this.socket.readyState >= WebSocket.CLOSING) {
        const { code, reason } = await this.ended
        throw new Error(`expected a message '${type}', got the end of the connection: ${code} ${reason}`)
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
      })
    }
  }
}

function isOf<Type extends ControlPlaneMessage['type']>(
  message: ControlPlaneMessage,
  type: Type,
): message is Extract<ControlPlaneMessage, { type: Type }> {
  return message.type === type
}

/** The registration of a leadership of the agent `local`. */
export function registration(
  leadership: {
    readonly epoch?: string
    readonly holder?: string
    readonly lineage?: string
    readonly agentId?: string
  } = {},
): Extract<AgentMessage, { type: 'register' }> {
  return {
    type: 'register',
    protocolVersion: protocolVersions.newest,
    features: [],
    agentId: 'local',
    lineage: '7f1c0f3e-2a52-4f0e-9a55-6f3f8d1f0001',
    epoch: '10',
    holder: 'pod-0_uid-0_boot-0',
    region: 'local',
    capacity: { maxSessions: 10, cpu: '4', memory: '8Gi' },
    ...leadership,
  }
}
