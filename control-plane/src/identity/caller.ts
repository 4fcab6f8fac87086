import { type Principal, type Role, roles } from '@regent/contract/api.ts'

/** A person or program that proved who it is. */
export interface Caller extends Principal {
  /** Tells callers apart for limits and idempotency: two with one name are two. At most 800 characters. */
  readonly id: string
  /** From then on the credentials do not count any more. */
  readonly expiresAt: Date
  /** The token that it came with, where it was one of ours. */
  readonly tokenId?: string
}

/** Whether who has the one role may do what needs the other. */
export function mayAct(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}
