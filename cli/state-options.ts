import type { ControlPlaneOptions } from './control-plane-connection.ts'

/** What is asked of a state. */
export interface StateOptions extends ControlPlaneOptions {
  readonly json?: true
  readonly output?: string
  readonly force?: true
  readonly dropOpenCommands?: true
}
