/** etcd did not answer as it should have in time: it is away, has no quorum, or is too slow. It may work later. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable'
  /** For writes: whether it may have taken effect all the same, so that it must be read back. Never for reads. */
  readonly mayHaveHappened: boolean

  constructor(message: string, options: { readonly mayHaveHappened: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause })
    this.mayHaveHappened = options.mayHaveHappened
  }
}

/** The state is being imported: nobody else writes until that is over. Nothing was written. */
export class StoreLocked extends StoreUnavailable {
  override readonly name = 'StoreLocked'

  constructor() {
    super('the state is being imported; nothing was changed, come again when that is over', { mayHaveHappened: false })
  }
}

/**
 * etcd does not let this program do that: its certificate is of no user yet, or the user has not the rights. It may
 * work later, because users and roles are kept by another program.
 */
export class StoreForbidden extends StoreUnavailable {
  override readonly name = 'StoreForbidden'
  /** Whether it may only be the moment at which users and roles change: asked again at once, it may work. */
  readonly momentary: boolean

  constructor(message: string, { momentary }: { readonly momentary: boolean }) {
    super(message, { mayHaveHappened: false })
    this.momentary = momentary
  }
}

/**
 * etcd's database has reached its quota: it refuses what takes room until somebody makes some. Reads and deletions go
 * on. The write with which the quota is passed is done and refused in the same words: so it must be read back.
 */
export class StoreFull extends Error {
  override readonly name = 'StoreFull'
  /** Whether it has taken effect all the same, for all that is known. */
  readonly mayHaveHappened: boolean

  constructor(message: string, options: { readonly mayHaveHappened: boolean }) {
    super(message)
    this.mayHaveHappened = options.mayHaveHappened
  }

  /** The same of a write that was looked for since, and is not there: unlike an unanswered one, it cannot come yet. */
  get withoutEffect(): StoreFull {
    return new StoreFull(this.message, { mayHaveHappened: false })
  }
}

/** What was asked for is older than what etcd keeps, or of a store that was replaced by a backup: read it again. */
export class Compacted extends Error {
  override readonly name = 'Compacted'
}

/** A value or a transaction is larger than the store takes; nothing was written. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** The lease has run out or was revoked, and every key with it is gone. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** etcd refused the call, and will refuse it again: our request or its configuration is wrong. */
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused'
}

/** A stored value that cannot be read: of another schema, or damaged. It is never overwritten unseen. */
export class UnreadableRecord extends Error {
  override readonly name = 'UnreadableRecord'
  /** The key of the value. */
  readonly key: string

  constructor(key: string, problem: string) {
    super(`${key}: ${problem}`)
    this.key = key
  }
}

/** A write that may have happened all the same: read back what it was to do. */
export type Lost = StoreUnavailable | StoreFull

/** Whether the same may work later: etcd is away or full, and the request is not to blame. */
export function isPassing(error: unknown): error is Lost {
  return error instanceof StoreUnavailable || error instanceof StoreFull
}

/** Whether a write may have taken effect although this came of it. */
export function isLost(error: unknown): error is Lost {
  return isPassing(error) && error.mayHaveHappened
}

/**
 * What to say where the look fails that follows a write. A read that fails has changed nothing, which is not true of
 * what was asked for.
 */
export function afterWrite(error: unknown): unknown {
  return isPassing(error) ? new StoreUnavailable(error.message, { mayHaveHappened: true, cause: error }) : error
}

/** The same where the write before was lost, if there was one: what came of that is still all that is known. */
export function afterLost(error: unknown, lost: Lost | undefined): unknown {
  return lost !== undefined && isPassing(error) ? lost : error
}
