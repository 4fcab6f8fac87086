import { closeCodes } from '@regent/contract/messages.ts'

/** How a connection ended, or why there is none. */
export interface Ending {
  /** In words, for people. Nothing in it is a secret. */
  readonly why: string
  /** Close code of the WebSocket, where there was one. */
  readonly code?: number
  /** Status of the HTTP answer, where the upgrade was refused. */
  readonly status?: number
  /** What the control plane asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number
}

/** There is no connection: the attempt to make one came to this end. */
export class AttemptFailed extends Error {
  override readonly name = 'AttemptFailed'
  readonly ending: Ending

  constructor(ending: Ending, options?: ErrorOptions) {
    super(ending.why, options)
    this.ending = ending
  }
}

/** What to do about an ending. */
export type Verdict =
  /** It may work again soon. */
  | { readonly kind: 'passing'; readonly words: string }
  /** Somebody else may lead: the Lease decides before anything is tried again. */
  | { readonly kind: 'fenced'; readonly words: string }
  /**
   * A person must do something: `words` say what. It is tried again, but slowly. Where it is the agent that is refused,
   * and not this replica of it, all of its replicas are.
   */
  | { readonly kind: 'refused'; readonly words: string; readonly isOfAgent: boolean }

/** What an ending means, and in which words it is told. */
export function verdictOf({ why, code, status }: Ending): Verdict {
  switch (code ?? status) {
    case closeCodes.fenced:
      return { kind: 'fenced', words: `the control plane has seen a newer leadership of this agent (4409): ${why}` }
    case closeCodes.notApproved:
    case 403:
      return refused(`the control plane does not admit this agent: ${why}`, 'let an admin approve it there', true)
    case closeCodes.offboarded:
    case 410:
      return refused(
        `this agent was removed from the control plane: ${why}`,
        'register it anew, or delete its pods',
        true,
      )
    case closeCodes.protocolVersion:
    case 426:
      // While pods are updated, another replica may speak the version that this one does not.
      return refused(
        `the control plane speaks another version of the protocol: ${why}`,
        'upgrade the older of the two',
        false,
      )
    case closeCodes.unauthenticated:
    case 401:
      return {
        kind: 'passing',
        words: `the control plane does not accept the credential of this agent: ${why}; it is read again for each attempt, so replace it where it is expired, revoked, or of another agent`,
      }
    default:
      return { kind: 'passing', words: why }
  }
}

function refused(what: string, remedy: string, isOfAgent: boolean): Verdict {
  return { kind: 'refused', words: `${what}; ${remedy}`, isOfAgent }
}
