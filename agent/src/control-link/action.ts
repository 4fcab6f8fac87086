import type { Fields } from '@regent/runtime/logging/safe-value.ts'
import * as z from 'zod/mini'
import type { Leadership } from '../election/leadership.ts'

/** JSON, as a command carries it and as a result is given. */
export type Json = z.core.util.JSONType

/** What a command runs with. */
export interface ActionContext {
  /**
   * Aborted when the command was given up by a person, or when leading is over: every effect must then end within the
   * abort budget, or the process is killed. A request that is on its way when it is abandoned may still take effect,
   * after the next command of the target has begun: wait for its answer where the budget allows.
   */
  readonly signal: AbortSignal
  /** Assert it before every effect, or write through `fencedWrite`. */
  readonly leadership: Leadership
  /** The same in every delivery of this command: what an effect is recognised by that has happened before. */
  readonly commandId: string
  readonly log: (event: string, fields?: Fields) => void
}

/** What a leader can be told to do, as its author writes it. */
export interface ActionDefinition<Payload extends z.core.$ZodType> {
  /** Its name in commands and in metrics. */
  readonly action: string
  /** What a command of it carries; what does not fit never runs. */
  readonly payload: Payload
  /**
   * Does it. It may run again, after a reconnect that lost its result or under the next leader: its effects are to
   * happen once all the same.
   *
   * @throws ActionFailed when it did not succeed; anything else counts as not worth another attempt
   */
  run(payload: z.output<Payload>, context: ActionContext): Promise<Json>
}

/** An action whose payload nobody has looked at yet. */
export interface Action {
  readonly action: string
  /** Binds a payload to the action, or says what is wrong with it. */
  prepare(payload: unknown): { readonly run: (context: ActionContext) => Promise<Json> } | { readonly problem: string }
}

/** It did not succeed, and its author knows whether another attempt may. */
export class ActionFailed extends Error {
  override readonly name = 'ActionFailed'
  /** Whether another delivery may succeed. */
  readonly retryable: boolean

  constructor(message: string, { retryable, ...options }: ErrorOptions & { readonly retryable: boolean }) {
    super(message, options)
    this.retryable = retryable
  }
}

/** Most problems of one payload that are told. */
const mostProblems = 5

/** An action by its definition. */
export function action<Payload extends z.core.$ZodType>(definition: ActionDefinition<Payload>): Action {
  return {
    action: definition.action,
    prepare: (payload) => {
      const parsed = z.safeParse(definition.payload, payload)
      if (parsed.success) return { run: (context) => definition.run(parsed.data, context) }
      const problems = parsed.error.issues
        .slice(0, mostProblems)
        .map(({ path, message }) => `${['payload', ...path.map(String)].join('.')}: ${message}`)
      return { problem: problems.join('; ') }
    },
  }
}
