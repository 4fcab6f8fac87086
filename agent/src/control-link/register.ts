import { type AgentMessage, closeCodes, type ControlPlaneMessage, protocolVersions } from '@regent/contract/messages.ts'
import type { Leadership } from '../election/leadership.ts'
import { AttemptFailed } from './attempt-failed.ts'
import type { Connection } from './connection.ts'
import type { LinkTiming } from './timing.ts'

type RegisterMessage = AgentMessage & { readonly type: 'register' }

/** What an agent registers with, beside what its leadership says. */
export type Registration = Pick<RegisterMessage, 'agentId' | 'region' | 'capacity' | 'features'>

/** The control plane's answer. */
export type Registered = ControlPlaneMessage & { readonly type: 'registered' }

export interface RegisterOptions {
  readonly connection: Connection
  readonly leadership: Leadership
  readonly registration: Registration
  readonly timing: Pick<LinkTiming, 'registerMs'>
  readonly signal: AbortSignal
}

/**
 * Registers on a new connection, in the name of a leadership. The connection is paused when it resolves: what follows
 * the answer waits for whoever listens.
 *
 * @throws AttemptFailed when it is refused, not answered in time, or given up
 * @throws NotLeading when the leadership is over; then nothing was sent
 */
export async function register(options: RegisterOptions): Promise<Registered> {
  const { connection, leadership, registration, timing, signal } = options
  const message: RegisterMessage = {
    type: 'register',
    protocolVersion: protocolVersions.newest,
    oldestProtocolVersion: protocolVersions.oldest,
    ...registration,
    lineage: leadership.lineage,
    epoch: leadership.epoch.toString(),
    holder: leadership.holder,
  }
  const text = JSON.stringify(message)
  const { promise, resolve, reject } = Promise.withResolvers<Registered>()
  const fail = (why: string) => (): void => reject(new AttemptFailed({ why }))
  const abort = fail('it was given up')
  // Nobody waits for it where the leadership turns out to be over.
  promise.catch(() => undefined)
  connection.listen((heard) => {
    connection.pause()
    if (heard.type !== 'registered') {
      connection.close(closeCodes.unexpectedMessage, `'${heard.type}' before 'registered'`)
      return fail(`the control plane sent '${heard.type}' before it answered the registration`)()
    }
    const { protocolVersion: chosen = 1 } = heard
    const { oldest, newest } = protocolVersions
    if (chosen >= oldest && chosen <= newest) return resolve(heard)
    connection.close(closeCodes.unexpectedMessage, `version ${chosen} of the protocol was not offered`)
    fail(`the control plane chose version ${chosen} of the protocol, expected one from ${oldest} to ${newest}`)()
  })
  void connection.ended.then((ending) => reject(new AttemptFailed(ending)))
  const late = setTimeout(
    fail(`the registration was not answered within ${timing.registerMs / 1000} s`),
    timing.registerMs,
  )
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    leadership.assert()
    connection.send(text)
    return await promise
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', abort)
  }
}
