/**
 * What was observed of one run, from three sides that know nothing of each other: the client that asked, etcd's own
 * record of every revision, and the API server's record of every effect. Nothing in this folder shares code with the
 * programs: it judges them.
 */
export interface History {
  readonly client: readonly ClientEvent[]
  /** Every change below Regent's prefix, in the order of etcd's revisions. */
  readonly store: readonly StoreChange[]
  /** Every effect that the Kubernetes API server let in, in the order of its versions. */
  readonly effects: readonly Effect[]
}

export type ClientEvent =
  /** A command was asked for; `key` is the client's own, and in the payload of the command. */
  | { readonly kind: 'asked'; readonly key: string }
  /** It was promised to be done, under this id. */
  | { readonly kind: 'promised'; readonly key: string; readonly commandId: string }
  /** It was refused for sure: it was never said of this key that something may be stored for it. */
  | { readonly kind: 'refused'; readonly key: string }

/** One key that was put or deleted by one revision. */
export interface StoreChange {
  readonly revision: number
  /** Below Regent's prefix: `fences/local`. */
  readonly key: string
  /** Absent where it was deleted. */
  readonly value?: unknown
}

/** A change of the Kubernetes cluster that a command caused. */
export interface Effect {
  /** Of the API server: orders effects. */
  readonly version: bigint
  readonly commandId: string
  readonly target: string
  /** The leadership in whose name it was written. */
  readonly epoch: bigint
}

/** Something that must not be. */
export interface Violation {
  /** `fence`, `delivery`, `result`, `lost`, … */
  readonly invariant: string
  readonly what: string
}

/** A value's field as text. @throws where it has none: then the history cannot be judged */
export function textOf(value: unknown, ...path: readonly string[]): string {
  const found = fieldOf(value, ...path)
  if (typeof found !== 'string') throw new Error(`expected a text at ${path.join('.')}, got ${JSON.stringify(value)}`)
  return found
}

/** A value's field, or nothing. */
export function fieldOf(value: unknown, ...path: readonly string[]): unknown {
  let current = value
  for (const name of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = (current as Readonly<Record<string, unknown>>)[name]
  }
  return current
}
