import type { ControlPlaneMessage } from '@regent/contract/messages.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { Store } from '../store/store.ts'
import type { ObserveEnd } from './end-command.ts'
import type { FencedCommandsOptions } from './fenced-commands.ts'
import type { HourlyLease } from './hourly-lease.ts'
import type { Deliverer } from './next-steps.ts'

export interface AgentQueueOptions extends Pick<FencedCommandsOptions, 'agentId' | 'fence'> {
  readonly store: Pick<Store, 'transact' | 'follow'>
  /** Tells what is open. One for the whole pod, where there are many: a watch for each costs. @default the store */
  readonly open?: Pick<Store, 'follow'> | undefined
  readonly deliverer: Deliverer
  /** Keeps what ended. One for the whole pod. */
  readonly lease: HourlyLease
  /** Sends to the agent: `command` once it is stored that it is delivered, and `cancel`. */
  readonly send: (message: Extract<ControlPlaneMessage, { readonly type: 'command' | 'cancel' }>) => void
  /** Another connection speaks for the agent now. The queue has ended by itself. */
  readonly onFenced: () => void
  /** Something is wrong that waiting does not mend. The queue has ended by itself. */
  readonly onFailed: (error: unknown) => void
  /** @default nobody */
  readonly observeEnd?: ObserveEnd | undefined
  readonly log: Log
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}
