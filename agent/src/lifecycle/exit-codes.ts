import { exitCodes as ofEveryProgram } from '@regent/runtime/lifecycle/exit-codes.ts'

/**
 * How the agent ends. With `notOver` its Lease was not given back: nobody takes it before it has run out, because the
 * work may have acted until the end of the process.
 */
export const exitCodes = {
  ...ofEveryProgram,
  /** Another live process of the same pod runs the agent. */
  podLocked: 3,
} as const
