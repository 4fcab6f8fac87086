import { describeProblem, type Problem } from '@regent/contract/problem.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import type { Host } from '@regent/runtime/host.ts'
import { openLog } from '@regent/runtime/logging/log.ts'
import { readConfiguration } from './configuration/configuration.ts'
import { exitCodes, GracefulStop } from './graceful-stop.ts'
import { type Ports, serve } from './serve.ts'

export interface ControlPlaneOptions {
  readonly host: Host
  readonly environment: Environment
  /** Opens the log. @default standard output */
  readonly openLog?: typeof openLog
  /** @default the contract's */
  readonly ports?: Ports
  /** Told the ports that were opened. */
  readonly onListening?: (ports: Ports) => void
}

/**
 * Runs a pod of the control plane: reads the configuration, opens its three ports, and serves agents and people from
 * what is in etcd, until it is told to stop. It ends the process by itself, with one of {@link exitCodes}.
 */
export async function runControlPlane(options: ControlPlaneOptions): Promise<void> {
  const { host } = options
  const read = readConfiguration(options.environment)
  if ('problems' in read) {
    refuse(options, read.problems)
    return
  }
  const { configuration } = read
  const log = (options.openLog ?? openLog)({
    level: configuration.logLevel,
    always: { pod: configuration.podName },
  })
  host.onUncaught((error) => {
    try {
      log.error('uncaught', { error: error instanceof Error ? error : new Error(String(error)) })
    } finally {
      host.exit(exitCodes.failed)
    }
  })
  const stop = new GracefulStop({ host, log, drainBudgetSeconds: configuration.drainBudgetSeconds })
  try {
    const serving = await serve({ configuration, log, stop, ...(options.ports && { ports: options.ports }) })
    options.onListening?.(serving)
    log.info('started', { ...serving })
  } catch (error) {
    log.error('start-failed', { error: error as Error })
    host.exit(exitCodes.failed)
  }
}

/** Says everything that is wrong with the configuration: a line each for people, and one for machines. */
function refuse({ host, environment, ...options }: ControlPlaneOptions, problems: readonly Problem[]): void {
  host.complain(`${problems.map(describeProblem).join('\n')}\n`)
  const log = (options.openLog ?? openLog)({ level: 'error', always: { pod: environment['POD_NAME'] } })
  log.error('configuration-invalid', { variables: problems.map(({ path }) => path).join(', ') })
  host.exit(exitCodes.misconfigured)
}
