import { attemptSeconds, standbyJitterSeconds } from '@regent/contract/election.ts'
import type { Instant } from './clock.ts'
import { identityText } from './identity.ts'
import type { Effect, MachineOptions, State } from './state.ts'

type Draft = { -readonly [K in keyof State]: State[K] }

/** The timing of an election in milliseconds. */
interface Milliseconds {
  readonly lease: number
  readonly deadline: number
  readonly retry: number
  readonly abort: number
  readonly drain: number
}

/** One turn of the machine: a copy of the state to change, and the effects that it wants. */
export class Turn {
  readonly state: Draft
  readonly effects: Effect[] = []
  readonly options: MachineOptions
  readonly now: Instant
  readonly me: string
  readonly ms: Milliseconds
  /** When the machine wants to be asked again, if nothing happens before. */
  wakeAtMs = Infinity
  readonly #random: () => number

  constructor(state: State, options: MachineOptions, now: Instant, random: () => number) {
    this.state = { ...state }
    this.options = options
    this.now = now
    this.#random = random
    this.me = identityText(options.identity)
    const { timing } = options
    this.ms = {
      lease: timing.leaseDurationSeconds * 1000,
      deadline: timing.renewDeadlineSeconds * 1000,
      retry: timing.retryPeriodSeconds * 1000,
      abort: timing.abortBudgetSeconds * 1000,
      drain: options.drainBudgetSeconds * 1000,
    }
  }

  get nowMs(): number {
    return this.now.monotonicMs
  }

  emit(effect: Effect): void {
    this.effects.push(effect)
  }

  /** Whether a time has come; if not, the machine is asked again when it has. */
  isDue(atMs: number): boolean {
    if (this.nowMs >= atMs) return true
    this.wakeAtMs = Math.min(this.wakeAtMs, atMs)
    return false
  }

  /** Whether an instant has come by either clock: a pause may have stopped one of them. */
  isPast(instant: Instant): boolean {
    return this.isDue(instant.monotonicMs) || this.now.wallMs >= instant.wallMs
  }

  /** So much later than an instant, by both clocks. */
  after({ monotonicMs, wallMs }: Instant, ms: number): Instant {
    return { monotonicMs: monotonicMs + ms, wallMs: wallMs + ms }
  }

  /** Full jitter up to the bound that doubles from `firstMs` with every failure. */
  backoff(firstMs: number, mostMs: number): number {
    return this.#random() * Math.min(mostMs, firstMs * 2 ** Math.min(this.state.failures, 10))
  }

  standbyJitterMs(): number {
    return this.#random() * standbyJitterSeconds * 1000
  }

  /** How long the incumbent may be silent before somebody asks. */
  get silenceMs(): number {
    return Math.max(2 * this.ms.retry, attemptSeconds * 1000)
  }
}
