/**
 * One thing that is wrong with what a user gave us, in the words that get them out of it.
 * Configuration of an environment and of a program are reported alike.
 */
export interface Problem {
  /** Where the value stands: `agent.replicas` of an environment, `AGENT_ID` of a program, a file of the output. */
  readonly path: string
  /** The value as it was received, printed; `nothing` where it is missing. Never the value of a secret. */
  readonly received: string
  /** What is allowed. */
  readonly expected: string
  /** What to do. */
  readonly fix: string
  /** An error stops; a warning is printed and the work goes on. */
  readonly severity: 'error' | 'warning'
  /** The file that the value comes from, where it comes from one. */
  readonly source?: string
}

/** The one line in which a problem is reported, without its severity. */
export function describeProblem(problem: Problem): string {
  const source = problem.source === undefined ? '' : ` (${problem.source})`
  return `${problem.path}: expected ${problem.expected}, got ${problem.received}; ${problem.fix}${source}`
}

/** Longest value that an error repeats. */
const longestPrintedValue = 80

/** A value as errors print it: bounded in length, in one line. */
export function printed(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length <= longestPrintedValue ? text : `${text.slice(0, longestPrintedValue)}…`
}
