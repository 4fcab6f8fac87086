import { describeProblem, type Problem } from '@regent/contract/problem.ts'
import type { Environment } from '../configuration/environment.ts'
import type { Host } from '../host.ts'
import { type Level, type Log, openLog } from '../logging/log.ts'
import type { Fields } from '../logging/safe-value.ts'
import { exitCodes } from './exit-codes.ts'
import { GracefulStop } from './graceful-stop.ts'

/** A configuration, or everything that is wrong with it. */
export type Read<Configuration> = { readonly configuration: Configuration } | { readonly problems: readonly Problem[] }

/** What a program has from its first moment on. */
export interface Running<Configuration> {
  readonly configuration: Configuration
  readonly log: Log
  readonly stop: GracefulStop
}

export interface RunProgramOptions<Configuration> {
  readonly host: Host
  readonly environment: Environment
  /** Reads the configuration, all of it at once. */
  readonly read: (environment: Environment) => Read<Configuration>
  /** In every line of the log, also where the configuration is wrong. */
  readonly always: Fields
  /** Opens the log. @default standard output */
  readonly openLog?: typeof openLog
  /** Longest that everything may take to be over once the process is told to stop, in seconds. */
  readonly stopBudgetSeconds: (configuration: Configuration) => number
  /** Starts the program; what it throws ends the process. */
  readonly start: (running: Running<Configuration>) => Promise<void>
}

/**
 * Runs a program: reads its configuration, opens its log, and starts it. It ends the process by itself, with one of
 * {@link exitCodes}: at once where the configuration is wrong, where starting fails, and after an error that nobody
 * caught. Until then it resolves once everything has been started.
 */
export async function runProgram<Configuration extends { readonly logLevel: Level }>(
  options: RunProgramOptions<Configuration>,
): Promise<void> {
  const { host, environment, always } = options
  const open = options.openLog ?? openLog
  const read = options.read(environment)
  if ('problems' in read) {
    // A line each for people, and one for machines.
    host.complain(`${read.problems.map(describeProblem).join('\n')}\n`)
    const variables = read.problems.map(({ path }) => path).join(', ')
    open({ level: 'error', always }).error('configuration-invalid', { variables })
    host.exit(exitCodes.misconfigured)
    return
  }
  const { configuration } = read
  const log = open({ level: configuration.logLevel, always })
  host.onUncaught((error) => {
    try {
      log.error('uncaught', { error: error instanceof Error ? error : new Error(String(error)) })
    } finally {
      // The kernel closes the sockets, and whoever is connected sees that.
      host.exit(exitCodes.failed)
    }
  })
  const stop = new GracefulStop({ host, log, budgetSeconds: options.stopBudgetSeconds(configuration) })
  try {
    await options.start({ configuration, log, stop })
  } catch (error) {
    log.error('start-failed', { error: error as Error })
    host.exit(exitCodes.failed)
  }
}
