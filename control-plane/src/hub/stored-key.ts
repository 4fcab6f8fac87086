import { agentKeyRecord } from '../identity/agent-keys.ts'
import type { KeyValue } from '../store/key-value.ts'

/** Whether a key counts, and until when. */
export type KeyRight =
  { readonly counts: true; readonly expiresAt: Date | undefined } | { readonly counts: false; readonly why: string }

/**
 * Judges the key of an agent by what is stored of it now: it may have been revoked or rotated since it was checked.
 *
 * @throws UnreadableRecord
 */
export function keyRightOf(stored: KeyValue | undefined, nowMs: number): KeyRight {
  if (stored === undefined) return { counts: false, why: 'the key was revoked' }
  const { expiresAt } = agentKeyRecord.parse(stored)
  if (expiresAt === undefined) return { counts: true, expiresAt }
  const end = new Date(expiresAt)
  return end.getTime() > nowMs ? { counts: true, expiresAt: end } : { counts: false, why: 'the key has expired' }
}
