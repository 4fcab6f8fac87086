import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** An effect of a leader, as it reported it right after `assert()`. */
export interface Effect {
  readonly epoch: bigint
  readonly holder: string
  /** When the report arrived, by the clock of the harness, in milliseconds. */
  readonly atMs: number
}

/** From the first to the last effect of one epoch. */
export interface Interval {
  readonly epoch: bigint
  readonly holder: string
  readonly fromMs: number
  readonly toMs: number
}

/**
 * An append-only ledger of effects, fenced as every store behind a leader has to be: an effect of an epoch below the
 * highest one seen is refused and kept apart.
 */
export class Ledger {
  readonly #accepted: Effect[] = []
  readonly #refused: Effect[] = []
  #highest = 0n

  report(effect: Effect): 'accepted' | 'refused' {
    if (effect.epoch < this.#highest) {
      this.#refused.push(effect)
      return 'refused'
    }
    this.#highest = effect.epoch
    this.#accepted.push(effect)
    return 'accepted'
  }

  get accepted(): readonly Effect[] {
    return this.#accepted
  }

  /** Effects that a leader of the past wanted: whoever believed to lead, and did not. */
  get refused(): readonly Effect[] {
    return this.#refused
  }

  get highest(): bigint {
    return this.#highest
  }

  /** When each epoch acted, as it saw itself: refused effects count. Ordered by epoch. */
  get intervals(): readonly Interval[] {
    const byEpoch = new Map<bigint, Interval>()
    for (const { epoch, holder, atMs } of [...this.#accepted, ...this.#refused]) {
      const { fromMs = atMs, toMs = atMs } = byEpoch.get(epoch) ?? {}
      byEpoch.set(epoch, { epoch, holder, fromMs: Math.min(fromMs, atMs), toMs: Math.max(toMs, atMs) })
    }
    return [...byEpoch.values()].sort((a, b) => (a.epoch < b.epoch ? -1 : 1))
  }

  /** For how long two epochs acted at once, in milliseconds; 0 when they never did. */
  get overlapMs(): number {
    const { intervals } = this
    const overlaps = intervals.map(({ fromMs }, index) => {
      const before = intervals.slice(0, index).map(({ toMs }) => toMs)
      return Math.max(0, ...before.map((toMs) => toMs - fromMs))
    })
    return Math.max(0, ...overlaps)
  }

  /** Epochs that more than one holder claimed. Always empty, or the election is broken. */
  get sharedEpochs(): readonly bigint[] {
    const holders = new Map<bigint, string>()
    const shared = new Set<bigint>()
    for (const { epoch, holder } of [...this.#accepted, ...this.#refused]) {
      if ((holders.get(epoch) ?? holder) !== holder) shared.add(epoch)
      holders.set(epoch, holder)
    }
    return [...shared]
  }
}

/** A {@link Ledger} that listens: one JSON line per effect, answered by nothing. */
export class Witness extends Ledger {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    super()
    this.port = (server.address() as AddressInfo).port
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
      createInterface({ input: socket }).on('line', (line) => this.report(parsed(line)))
    })
  }

  static async listen(): Promise<Witness> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return new Witness(server)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function parsed(line: string): Effect {
  const { epoch, holder } = JSON.parse(line) as { readonly epoch: string; readonly holder: string }
  return { epoch: BigInt(epoch), holder, atMs: performance.now() }
}
