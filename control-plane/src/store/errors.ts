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

/** etcd's database has reached its quota: it refuses writes until somebody makes room. Reads go on. */
export class StoreFull extends Error {
  override readonly name = 'StoreFull'
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

/** Whether the same may work later: etcd is away or full, and the request is not to blame. */
export function isPassing(error: unknown): error is StoreUnavailable | StoreFull {
  return error instanceof StoreUnavailable || error instanceof StoreFull
}
