import { readFile } from 'node:fs/promises'
import { cluster } from './state.ts'

/** What the API server writes about a request: who, what, to which object, and how it ended. */
export interface AuditEvent {
  readonly auditID: string
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic'
  readonly verb: string
  readonly requestURI: string
  readonly user: {
    readonly username: string
    readonly groups?: readonly string[]
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
  readonly userAgent?: string
  readonly objectRef?: {
    readonly apiGroup?: string
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number; readonly reason?: string }
  readonly annotations?: Readonly<Record<string, string>>
}

/** The requests of a ServiceAccount since the cluster started, a watch once. @throws on a foreign cluster */
export async function auditEvents(namespace: string, serviceAccount: string): Promise<readonly AuditEvent[]> {
  const username = `system:serviceaccount:${namespace}:${serviceAccount}`
  const { auditLog } = cluster()
  if (auditLog === undefined) throw new Error('a foreign cluster has no audit log that a test could read')
  const text = await readFile(auditLog, 'utf8')
  const seen = new Set<string>()
  return text
    .slice(0, text.lastIndexOf('\n'))
    .split('\n')
    .filter((line) => line.includes(username))
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === username)
    .filter(({ auditID }) => !seen.has(auditID) && seen.add(auditID))
}
