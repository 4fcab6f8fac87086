import type { ProblemType } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { Caller } from '../identity/caller.ts'

/** A change that was made, or anything that was refused. */
export interface AuditEntry {
  readonly requestId: string
  /** Absent for who did not prove who it is. */
  readonly caller: Caller | undefined
  /** The address that the request comes from, behind trusted proxies too. */
  readonly address: string
  readonly method: string
  /** The pattern of the path; absent where there is none. */
  readonly route: string | undefined
  /** What it was about: a path below the API's prefix. */
  readonly subject: string
  /** `done`, or the type of the problem that it was refused with. */
  readonly outcome: 'done' | ProblemType
  readonly status: number
  /** Why it was refused. */
  readonly why?: string
}

/** Writes an entry to the log, as the event `audit`: who, what, and what became of it. Never a body or a credential. */
export function audit(log: Log, entry: AuditEntry): void {
  const { caller, requestId, address, method, route, subject, outcome, status, why } = entry
  log[outcome === 'done' ? 'info' : 'warn']('audit', {
    request: requestId,
    caller: caller?.name ?? 'nobody',
    callerId: caller?.id,
    role: caller?.role,
    by: caller?.by,
    address,
    method,
    route,
    subject,
    outcome,
    status,
    why,
  })
}
