import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@regent/runtime/logging/log.ts'
import { isPassing, UnreadableRecord } from '../store/errors.ts'
import type { KeyValue } from '../store/key-value.ts'
import { agentIdOf, idOf, keys, prefixes } from '../store/keys.ts'
import { isAborted } from '../store/retry.ts'
import type { Store } from '../store/store.ts'
import { type OpenCommand, openCommandRecord } from './command-records.ts'
import { endCommand, type ObserveEnd, observeEnd } from './end-command.ts'
import { endedWithoutAgent } from './ending.ts'
import type { HourlyLease } from './hourly-lease.ts'
import { type LeftOpen, withOpen } from './left-open.ts'
import { WakeUp } from './wake-up.ts'

export interface SweepOptions {
  readonly store: Pick<Store, 'transact' | 'list' | 'expiry'>
  readonly lease: HourlyLease
  readonly observeEnd?: ObserveEnd | undefined
  /** What the pod whose turn it was does besides, with what it has seen. @default nothing */
  readonly afterwards?: ((left: LeftOpen, signal: AbortSignal) => Promise<void>) | undefined
  readonly log: Log
  /**
   * One pod sweeps about this often; each looks whether it is due, at a random time of its own. Whole seconds, of which
   * etcd makes no fewer than 1.5 of its election timeouts.
   * @default 10
   */
  readonly everySeconds?: number
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}

/** So long after its deadline a command is given up that an agent was given and never answered, in milliseconds. */
const ABANDONED_MS = 24 * 3600 * 1000
/** Of each agent so many commands that ended are kept, for at most 25 hours. */
export const mostDoneCommands = 1000

const PAGE = 500
/** Steps of one transaction. */
const CHUNK = 60
/** Between two transactions that remove, etcd is left to those who wait for it, in milliseconds. */
const REST_MS = 10

/**
 * Ends what is past its deadline although no connection of its agent does, and removes what ended if there is too much
 * of it. Every write is guarded with the record that it was decided on: any number of sweeps at once is right.
 */
export class Sweep {
  readonly #options: SweepOptions
  readonly #everySeconds: number
  readonly #wallMs: () => number

  constructor(options: SweepOptions) {
    this.#options = options
    this.#everySeconds = options.everySeconds ?? 10
    this.#wallMs = options.wallMs ?? Date.now
  }

  /** Sweeps when it is due, until the signal is aborted. What fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const never = new WakeUp()
    while (!isAborted(signal)) {
      await never.wait((0.5 + Math.random()) * this.#everySeconds * 1000, signal)
      if (isAborted(signal)) return
      try {
        if (await this.#isOurTurn()) await this.#takeTurn(signal)
      } catch (error) {
        if (isAborted(signal)) return
        if (!(error instanceof Error)) throw error
        const { log } = this.#options
        if (isPassing(error)) log.info('sweep-waits', { error })
        else log.error('sweep-fails', { error })
      }
    }
  }

  /**
   * Sweeps once. What cannot be ended or removed is left as it is, logged, and stops nothing else.
   * @returns what it left open: of one that was aborted, only a part
   * @throws StoreUnavailable, StoreFull
   */
  async sweep(signal: AbortSignal): Promise<LeftOpen> {
    let left: LeftOpen = { count: 0, unreadable: 0 }
    await this.#pages(prefixes.allOpenCommands, {}, signal, async (items) => {
      for (const item of items) {
        if (isAborted(signal)) return
        const command = this.#readable(item)
        if (command === undefined) left = { ...left, unreadable: left.unreadable + 1 }
        else if (!(await this.#alone(item.key, () => this.#expired(command, item)))) left = withOpen(left, command)
      }
    })
    await this.#pages(prefixes.agents, { keysOnly: true }, signal, (items) =>
      this.#thinOut(
        items.map(({ key }) => idOf(key)),
        signal,
      ),
    )
    return left
  }

  async #takeTurn(signal: AbortSignal): Promise<void> {
    const left = await this.sweep(signal)
    if (!isAborted(signal)) await this.#options.afterwards?.(left, signal)
  }

  /** A key that lives for one turn: whoever writes it sweeps. */
  async #isOurTurn(): Promise<boolean> {
    const { store } = this.#options
    const absent = { key: keys.commandSweep, exists: false }
    if (!(await store.transact({ when: [absent], then: [] })).succeeded) return false
    const lease = await store.expiry(this.#everySeconds)
    return (await store.transact({ when: [absent], then: [{ put: keys.commandSweep, value: '{}', lease }] })).succeeded
  }

  async #pages(
    prefix: string,
    options: { readonly keysOnly?: boolean },
    signal: AbortSignal,
    take: (items: readonly KeyValue[]) => Promise<void>,
  ): Promise<void> {
    const { store } = this.#options
    let after: KeyValue | undefined
    do {
      const page = await store.list(prefix, { ...options, limit: PAGE, after })
      await take(page.items)
      after = page.more ? page.items.at(-1) : undefined
    } while (after !== undefined && !isAborted(signal))
  }

  /**
   * Does something to one record, or to those of one agent. Where it fails because of them, and not because etcd is
   * away or full, it is logged, and everything else goes on.
   */
  async #alone<Done>(key: string, work: () => Promise<Done>): Promise<Done | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Error) || isPassing(error)) throw error
      this.#options.log.error('sweep-leaves-out', { key, error })
      return undefined
    }
  }

  /** Ends a command that is past its deadline. @returns whether it was; who changed it first has seen to it */
  async #expired(command: OpenCommand, item: KeyValue): Promise<boolean> {
    const nowMs = this.#wallMs()
    const graceMs = command.state === 'queued' ? 0 : ABANDONED_MS
    if (Date.parse(command.deadlineAt) + graceMs > nowMs) return false
    const { store, lease, observeEnd: observe } = this.#options
    const done = endedWithoutAgent(command, 'expired', nowMs)
    const when = [{ key: item.key, modRevision: item.modRevision }]
    const { succeeded } = await lease.use((id) => store.transact({ when, then: endCommand(done, id) }))
    if (succeeded) observeEnd(observe, done)
    return true
  }

  /** Removes the oldest of what ended, of agents that have too much of it. */
  async #thinOut(agentIds: readonly string[], signal: AbortSignal): Promise<void> {
    const { store } = this.#options
    for (let from = 0; from < agentIds.length; from += CHUNK) {
      const chunk = agentIds.slice(from, from + CHUNK)
      const then = chunk.map((agentId) => ({ count: prefixes.doneCommands(agentId) }))
      const { results } = await store.transact({ when: [], then })
      for (const [index, agentId] of chunk.entries()) {
        if (isAborted(signal)) return
        const result = results[index]
        if (result?.kind === 'get' && result.count > mostDoneCommands) {
          const surplus = result.count - mostDoneCommands
          await this.#alone(prefixes.doneCommands(agentId), () => this.#removeOldest(agentId, surplus, signal))
        }
      }
    }
  }

  async #removeOldest(agentId: string, count: number, signal: AbortSignal): Promise<void> {
    const { store } = this.#options
    const { items } = await store.list(prefixes.doneCommands(agentId), {
      order: 'created',
      keysOnly: true,
      limit: count,
    })
    for (let from = 0; from < items.length && !isAborted(signal); from += CHUNK) {
      const chunk = items.slice(from, from + CHUNK)
      await store.transact({
        when: chunk.map(({ key, modRevision }) => ({ key, modRevision })),
        then: chunk.flatMap(({ key }) => [{ delete: key }, { delete: keys.commandPayload(agentIdOf(key), idOf(key)) }]),
      })
      await pause(REST_MS)
    }
  }

  #readable(item: KeyValue): OpenCommand | undefined {
    try {
      return openCommandRecord.parse(item)
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error
      this.#options.log.error('command-unreadable', { key: error.key, error })
      return undefined
    }
  }
}
