import type { Field } from '../../agent/test/faults/field.ts'
import type { Replica } from '../../agent/test/faults/replica.ts'
import { takeover, type Fault } from '../../agent/test/faults/takeover.ts'
import { waitFor } from '../cluster/wait-for.ts'

/** What happens again and again, and how. */
export interface Laps {
  readonly fault: Fault
  /** Longest that a takeover may take, in seconds. */
  readonly patienceSeconds: number
  /** Done once all replicas compete, before each fault. It takes time that is not measured. */
  readonly prepare?: ((field: Field) => Promise<void>) | undefined
  /** Done to the former leader once another leads: what ends a fault that does not end with its process. */
  readonly heal?: ((former: Replica) => Promise<void> | void) | undefined
}

/** One field on which the same fault happens again and again. */
export class Lane {
  /** What each takeover took. */
  readonly milliseconds: number[] = []
  readonly #field: Field
  readonly #laps: Laps

  constructor(field: Field, laps: Laps) {
    this.#field = field
    this.#laps = laps
  }

  /** Measures one takeover, from a field on which all replicas compete to the next leader. */
  async takeOver(): Promise<void> {
    const { fault, patienceSeconds, prepare, heal } = this.#laps
    const former = await this.#field.start()
    await prepare?.(this.#field)
    const { leader, milliseconds } = await takeover(this.#field, fault, patienceSeconds)
    this.milliseconds.push(milliseconds)
    await heal?.(former)
    await waitFor('the end of the former leader', () => leader === former || !former.believesToLead, {
      seconds: patienceSeconds,
      everyMilliseconds: 20,
    })
    await this.#field.start()
  }

  async close(): Promise<void> {
    await this.#field.close()
  }
}
