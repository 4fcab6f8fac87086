import { controlPlane } from '@regent/contract/control-plane.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import type { Host } from '@regent/runtime/host.ts'
import { runProgram } from '@regent/runtime/lifecycle/run-program.ts'
import type { openLog } from '@regent/runtime/logging/log.ts'
import { readConfiguration } from './configuration/configuration.ts'
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
 * what is in etcd, until it is told to stop. It ends the process by itself, as {@link runProgram} says.
 */
export function runControlPlane(options: ControlPlaneOptions): Promise<void> {
  const { host, environment, ports, onListening } = options
  return runProgram({
    host,
    environment,
    read: readConfiguration,
    always: { pod: environment[controlPlane.env.podName.variable] },
    ...(options.openLog !== undefined && { openLog: options.openLog }),
    stopBudgetSeconds: ({ drainBudgetSeconds }) => drainBudgetSeconds,
    start: async (running) => {
      const serving = await serve({ ...running, ...(ports && { ports }) })
      onListening?.(serving)
      running.log.info('started', { ...serving })
    },
  })
}
