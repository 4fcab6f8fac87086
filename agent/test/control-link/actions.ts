import * as z from 'zod/mini'
import { action, type Action, type ActionContext, type Json } from '../../src/control-link/action.ts'

/** A run of an action that waits until the test ends it. */
export interface Run {
  readonly name: string
  readonly context: ActionContext
  readonly end: (result?: Json) => void
  readonly fail: (error: Error) => void
}

/** Actions whose runs a test holds in its hands. */
export interface Held {
  readonly actions: readonly Action[]
  /** Every run so far, in the order in which they began. */
  readonly runs: readonly Run[]
  /** Waits for the next run that nobody has waited for. */
  readonly next: () => Promise<Run>
}

export function held(): Held {
  const runs: Run[] = []
  const waiting: (() => void)[] = []
  let taken = 0
  const hold = action({
    action: 'hold',
    payload: z.object({ name: z.string() }),
    run: ({ name }, context) => {
      const { promise, resolve, reject } = Promise.withResolvers<Json>()
      runs.push({ name, context, end: (result = null) => resolve(result), fail: reject })
      context.signal.addEventListener('abort', () => reject(new Error('told to end')), { once: true })
      for (const look of waiting.splice(0)) look()
      return promise
    },
  })
  const echo = action({ action: 'echo', payload: z.unknown(), run: (payload) => Promise.resolve(payload as Json) })
  return {
    actions: [hold, echo],
    runs,
    next: async () => {
      for (;;) {
        const run = runs[taken]
        if (run !== undefined) {
          taken += 1
          return run
        }
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
    },
  }
}

/** An action that does not end before a promise does, whatever it is told. */
export function stubborn(promise: Promise<Json>): Action {
  return action({ action: 'stubborn', payload: z.unknown(), run: () => promise })
}
