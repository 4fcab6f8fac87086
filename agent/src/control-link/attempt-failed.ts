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
export interface Verdict {
  /**
   * - `passing`: it may work again soon.
   * - `fenced`: somebody else may lead: the Lease decides before anything is tried again.
   * - `refused`: a person must do something, `words` say what; it is tried again, but slowly.
   */
  readonly kind: 'passing' | 'fenced' | 'refused'
  readonly words: string
  /** Whether another replica of the agent might fare better. */
  readonly isOfReplica: boolean
}

/** Of the registry of RFC 6455: the control plane answers, and takes no agent at the moment. */
const tryAgainLater = 1013

/** What an ending means, and in which words it is told. */
export function verdictOf({ why, code, status }: Ending): Verdict {
  switch (code ?? status) {
    case closeCodes.fenced: {
      const words = `the control plane has seen a newer leadership of this agent (4409): ${why}`
      return { kind: 'fenced', words, isOfReplica: false }
    }
    case closeCodes.notApproved:
    case 403: {
      const words = `the control plane does not admit this agent: ${why}; let an admin approve it there`
      return { kind: 'refused', words, isOfReplica: false }
    }
    case closeCodes.offboarded:
    case 410: {
      const words = `this agent was removed from the control plane: ${why}; register it anew, or delete its pods`
      return { kind: 'refused', words, isOfReplica: false }
    }
    case closeCodes.protocolVersion:
    case 426: {
      const words = `the control plane speaks another version of the protocol: ${why}; upgrade the older of the two`
      // While pods are updated, another replica may speak the version that this one does not.
      return { kind: 'refused', words, isOfReplica: true }
    }
    case closeCodes.unauthenticated:
    case 401: {
      const words = `the control plane does not accept the credential of this agent: ${why}; it is read again for each attempt, so replace it where it is expired, revoked, or of another agent`
      return { kind: 'passing', words, isOfReplica: true }
    }
    case tryAgainLater:
      return { kind: 'passing', words: `the control plane takes no agent at the moment: ${why}`, isOfReplica: false }
    default:
      return { kind: 'passing', words: why, isOfReplica: true }
  }
}
