import { setTimeout as pause } from 'node:timers/promises'
import type { CommandResource } from '@regent/contract/api.ts'
import type { ApiClient } from './api-client.ts'

export interface CommandLoadOptions {
  readonly api: Pick<ApiClient, 'post'>
  readonly agentIds: readonly string[]
  /** Targets of each agent: so many of its commands can be under way at once. */
  readonly targets: number
  /** Between 0 and 1. */
  readonly random: () => number
}

/** How long a command may take from its request to its end, in milliseconds, before the run fails. */
const patienceMs = 30_000

/** Asks for commands and waits for their ends, of which {@link ended} is told from outside. */
export class CommandLoad {
  readonly #options: CommandLoadOptions
  readonly #waiting = new Map<string, () => void>()
  /** Ends that were told before the answer came. */
  readonly #early = new Set<string>()
  #asked = 0

  constructor(options: CommandLoadOptions) {
    this.#options = options
  }

  /** A command has ended: its result is stored. */
  ended(commandId: string): void {
    const end = this.#waiting.get(commandId)
    if (end === undefined) this.#early.add(commandId)
    else end()
  }

  /**
   * So many clients, each of which asks for the next command when its last one has ended.
   * @returns commands that ended per second, after the warm-up
   */
  async saturate(options: {
    readonly clients: number
    readonly warmUpSeconds: number
    readonly seconds: number
    /** Called when the warm-up is over, and when the time is. */
    readonly onEdge: () => Promise<void>
  }): Promise<number> {
    let count = 0
    let isOver = false
    const clients = Array.from({ length: options.clients }, async () => {
      while (!isOver) {
        await this.#command()
        count += 1
      }
    })
    const failed = Promise.all(clients)
    await Promise.race([failed, pause(options.warmUpSeconds * 1000)])
    await options.onEdge()
    const [before, beganMs] = [count, performance.now()]
    await Promise.race([failed, pause(options.seconds * 1000)])
    const perSecond = (count - before) / ((performance.now() - beganMs) / 1000)
    await options.onEdge()
    isOver = true
    await failed
    return perSecond
  }

  /**
   * Commands at random times, so many in a second, whether or not those before have ended: like many people who do not
   * know of each other.
   * @returns milliseconds from when each was due until its end was seen, after the warm-up
   */
  async arrive(options: {
    readonly perSecond: number
    readonly warmUpSeconds: number
    readonly seconds: number
  }): Promise<readonly number[]> {
    const { perSecond, warmUpSeconds, seconds } = options
    const latencies: number[] = []
    const running: Promise<void>[] = []
    const beganMs = performance.now()
    const untilMs = beganMs + (warmUpSeconds + seconds) * 1000
    const failure = Promise.withResolvers<never>()
    for (let dueMs = beganMs; dueMs < untilMs; dueMs += (-Math.log(1 - this.#options.random()) / perSecond) * 1000) {
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await Promise.race([pause(waitMs), failure.promise])
      const isMeasured = dueMs >= beganMs + warmUpSeconds * 1000
      const ended = this.#command().then(() => {
        if (isMeasured) latencies.push(performance.now() - dueMs)
      })
      ended.catch(failure.reject)
      running.push(ended)
    }
    await Promise.all(running)
    return latencies
  }

  /** One command, from the request to its end. */
  async #command(): Promise<void> {
    const { api, agentIds, targets } = this.#options
    const number = (this.#asked += 1)
    const agentId = agentIds[number % agentIds.length] ?? ''
    const target = `target-${Math.floor(number / agentIds.length) % targets}`
    const body = JSON.stringify({ action: 'nothing', target, payload: { number } })
    const { status, text } = await api.post(`/agents/${agentId}/commands`, body)
    if (status !== 201) throw new Error(`expected 201 for a command, got ${status}: ${text}`)
    const { commandId } = JSON.parse(text) as CommandResource
    if (this.#early.delete(commandId)) return
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const late = setTimeout(() => reject(new Error(`${commandId} did not end`)), patienceMs)
    this.#waiting.set(commandId, () => resolve(undefined))
    await promise
    clearTimeout(late)
    this.#waiting.delete(commandId)
  }
}
