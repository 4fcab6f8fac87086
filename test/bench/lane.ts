import type { Field } from '../../agent/test/faults/field.ts'
import { takeover, type Fault } from '../../agent/test/faults/takeover.ts'
import { waitFor } from '../cluster/wait-for.ts'

/** One field on which the same fault happens again and again. */
export class Lane {
  /** What each takeover took. */
  readonly milliseconds: number[] = []
  readonly #field: Field
  readonly #fault: Fault
  readonly #patienceSeconds: number

  constructor(field: Field, fault: Fault, patienceSeconds: number) {
    this.#field = field
    this.#fault = fault
    this.#patienceSeconds = patienceSeconds
  }

  /** Measures one takeover, from a field on which all replicas compete to the next leader. */
  async takeOver(): Promise<void> {
    const leader = await this.#field.start()
    const { milliseconds } = await takeover(this.#field, this.#fault, this.#patienceSeconds)
    this.milliseconds.push(milliseconds)
    await waitFor('the end of the former leader', () => !leader.isRunning || leader.believesToLead, {
      seconds: this.#patienceSeconds,
      everyMilliseconds: 20,
    })
    await this.#field.start()
  }

  async close(): Promise<void> {
    await this.#field.close()
  }
}
