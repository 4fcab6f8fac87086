/** The user asked for something that does not exist: an environment, a path. Exit code 2. */
export class UsageError extends Error {}

/** The answer is no, and the lines say why: invalid configuration, a difference, something missing. Exit code 1. */
export class Refusal extends Error {
  readonly lines: readonly string[]
  /** The status of HTTP with which a control plane refused; absent for everything else. */
  readonly status: number | undefined

  constructor(lines: readonly string[], status?: number) {
    super(lines.join('\n'))
    this.lines = lines
    this.status = status
  }
}
