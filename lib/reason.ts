/** What errors of different origins have in common. */
interface Thrown {
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
  readonly message?: string
}

/** The innermost reason of an error, in one line: what a client throws often says only that it failed. */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error)
  const { cause, errors, message } = error as Thrown
  const inner = cause ?? errors?.[0]
  return inner === undefined ? (message?.split('\n')[0] ?? 'an unknown failure') : reasonOf(inner)
}
