import type { Log } from '@regent/runtime/logging/log.ts'
import { UnreadableRecord } from '../store/errors.ts'
import type { KeyValue } from '../store/key-value.ts'
import { agentIdOf, idOf, keys, prefixes } from '../store/keys.ts'
import { isAborted } from '../store/retry.ts'
import type { Store } from '../store/store.ts'
import { type OpenCommand, openCommandRecord } from './command-records.ts'
import { endCommand, type ObserveEnd, observeEnd } from './end-command.ts'
import { endedWithoutAgent } from './ending.ts'
import { isPassing } from './fenced-commands.ts'
import type { HourlyLease } from './hourly-lease.ts'
import { WakeUp } from './wake-up.ts'

export interface SweepOptions {
  readonly store: Pick<Store, 'transact' | 'list' | 'expiry'>
  readonly lease: HourlyLease
  readonly observeEnd?: ObserveEnd | undefined
  readonly log: Log
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}

/** One pod sweeps about this often, in seconds; each looks whether it is due, at a random time of its own. */
const EVERY_SECONDS = 10
/** So long after its deadline a command is given up that an agent was given and never answered, in milliseconds. */
const ABANDONED_MS = 24 * 3600 * 1000
/** Of each agent so many commands that ended are kept, for at most 25 hours. */
export const mostDoneCommands = 1000

const PAGE = 500
/** Steps of one transaction. */
const CHUNK = 60

/**
 * Ends what is past its deadline although no connection of its agent does, and removes what ended if there is too much
 * of it. Every write is guarded with the record that it was decided on: any number of sweeps at once is right.
 */
export class Sweep {
  readonly #options: SweepOptions
  readonly #wallMs: () => number

  constructor(options: SweepOptions) {
    this.#options = options
    this.#wallMs = options.wallMs ?? Date.now
  }

  /** Sweeps when it is due, until the signal is aborted. What fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const never = new WakeUp()
    while (!isAborted(signal)) {
      await never.wait((0.5 + Math.random()) * EVERY_SECONDS * 1000, signal)
      if (isAborted(signal)) return
      try {
        if (await this.#isOurTurn()) await this.sweep(signal)
      } catch (error) {
        if (!(error instanceof Error)) throw error
        const { log } = this.#options
        if (isPassing(error)) log.info('sweep-waits', { error })
        else log.error('sweep-fails', { error })
      }
    }
  }

  /** Sweeps once. @throws StoreUnavailable, StoreFull */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.#pages(prefixes.allOpenCommands, {}, signal, async (items) => {
      for (const item of items) if (!isAborted(signal)) await this.#expire(item)
    })
    await this.#pages(prefixes.agents, { keysOnly: true }, signal, (items) =>
      this.#thinOut(items.map(({ key }) => idOf(key))),
    )
  }

  /** A key that lives for one turn: whoever writes it sweeps. */
  async #isOurTurn(): Promise<boolean> {
    const { store } = this.#options
    const absent = { key: keys.commandSweep, exists: false }
    if (!(await store.transact({ when: [absent], then: [] })).succeeded) return false
    const lease = await store.expiry(EVERY_SECONDS)
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

  async #expire(item: KeyValue): Promise<void> {
    const nowMs = this.#wallMs()
    const command = this.#readable(item)
    if (command === undefined) return
    const graceMs = command.state === 'queued' ? 0 : ABANDONED_MS
    if (Date.parse(command.deadlineAt) + graceMs > nowMs) return
    const { store, lease, observeEnd: observe } = this.#options
    const done = endedWithoutAgent(command, 'expired', nowMs)
    const when = [{ key: item.key, modRevision: item.modRevision }]
    const { succeeded } = await lease.use((id) => store.transact({ when, then: endCommand(done, id) }))
    if (succeeded) observeEnd(observe, done)
  }

  /** Removes the oldest of what ended, of agents that have too much of it. */
  async #thinOut(agentIds: readonly string[]): Promise<void> {
    const { store } = this.#options
    for (let from = 0; from < agentIds.length; from += CHUNK) {
      const chunk = agentIds.slice(from, from + CHUNK)
      const then = chunk.map((agentId) => ({ count: prefixes.doneCommands(agentId) }))
      const { results } = await store.transact({ when: [], then })
      for (const [index, agentId] of chunk.entries()) {
        const result = results[index]
        if (result?.kind === 'get' && result.count > mostDoneCommands) {
          await this.#removeOldest(agentId, result.count - mostDoneCommands)
        }
      }
    }
  }

  async #removeOldest(agentId: string, count: number): Promise<void> {
    const { store } = this.#options
    const { items } = await store.list(prefixes.doneCommands(agentId), {
      order: 'created',
      keysOnly: true,
      limit: count,
    })
    for (let from = 0; from < items.length; from += CHUNK) {
      const chunk = items.slice(from, from + CHUNK)
      await store.transact({
        when: chunk.map(({ key, modRevision }) => ({ key, modRevision })),
        then: chunk.flatMap(({ key }) => [{ delete: key }, { delete: keys.commandPayload(agentIdOf(key), idOf(key)) }]),
      })
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
