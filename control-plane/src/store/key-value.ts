/** A key of etcd with its value, as it was at one revision. */
export interface KeyValue {
  readonly key: string
  readonly value: Uint8Array
  /** The revision of the write that made the key; a key that was deleted and made again has a new one. */
  readonly createRevision: bigint
  /** The revision of the last write. What guards a change compares it. */
  readonly modRevision: bigint
  /** The lease that the key goes with; 0n for none. */
  readonly lease: bigint
}

/** A condition of a transaction; `modRevision` and `createRevision` 0n mean that the key must not exist. */
export type Compare =
  | { readonly key: string; readonly modRevision: bigint }
  | { readonly key: string; readonly createRevision: bigint }
  | { readonly key: string; readonly exists: boolean }
  /** Nothing is below the prefix. */
  | { readonly empty: string }

/** One step of a transaction. A key may be written only once in it; a `get` sees what steps before it wrote. */
export type Operation =
  | { readonly put: string; readonly value: string | Uint8Array; readonly lease?: bigint | undefined }
  /** Puts a key under a lease, its value as it is. One that was not there before the transaction is left alone. */
  | { readonly attach: string; readonly lease: bigint }
  | { readonly delete: string; readonly prefix?: boolean }
  | {
      readonly get: string
      readonly prefix?: boolean
      readonly limit?: number
      /** @default as it is at this step */
      readonly revision?: bigint
    }
  /** How many keys are below a prefix. */
  | { readonly count: string; readonly revision?: bigint }

/** What one step of a transaction did, at the place of the step; `count` and `get` answer alike. */
export type OperationResult =
  | { readonly kind: 'put' }
  | { readonly kind: 'delete'; readonly deleted: number }
  | { readonly kind: 'get'; readonly items: readonly KeyValue[]; readonly more: boolean; readonly count: number }

/** A transaction: all of `then` where every comparison holds, else all of `otherwise`. */
export interface Transaction {
  readonly when: readonly Compare[]
  readonly then: readonly Operation[]
  /** @default nothing */
  readonly otherwise?: readonly Operation[]
}

export interface TransactionResult {
  /** Whether every comparison held. */
  readonly succeeded: boolean
  /** The revision at which it took place. */
  readonly revision: bigint
  /** One per step of the branch that was taken. */
  readonly results: readonly OperationResult[]
}

/** What happened to a key. */
export type WatchEvent =
  | { readonly kind: 'put'; readonly item: KeyValue }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: bigint }

/** Every event of one or several revisions, in order; a revision is never divided. */
export interface WatchBatch {
  /** The revision of the last event: a watch that continues after it neither loses nor repeats one. */
  readonly revision: bigint
  readonly events: readonly WatchEvent[]
}

/** Where a list goes on: after the item with this key, made at this revision. The item itself may be gone by then. */
export type Position = Pick<KeyValue, 'key' | 'createRevision'>

/** A page of a list. */
export interface Page {
  readonly items: readonly KeyValue[]
  /** The revision at which the list was read; pass it along to see the same state on the next page. */
  readonly revision: bigint
  /** Whether there are more after the last item. */
  readonly more: boolean
}
