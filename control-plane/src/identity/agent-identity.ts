/** An agent that proved who it is. What it says of itself afterwards must be about this agent id. */
export interface AgentIdentity {
  readonly agentId: string
  readonly by: 'serviceAccount' | 'key' | 'certificate'
  /** The pod that a ServiceAccount token is bound to: the holder that registers must be in it. */
  readonly pod?: { readonly name: string; readonly uid: string }
  readonly keyId?: string
  /** From then on the credentials do not count any more. Absent for a key that lives until it is revoked. */
  readonly expiresAt?: Date
}
