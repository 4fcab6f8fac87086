import { describeProblem, type Problem } from '@regent/contract/problem.ts'

/** Problems in the order in which they are reported: by path, so that a second run reads like the first. */
export function sorted(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => (a.path === b.path ? compare(a.expected, b.expected) : compare(a.path, b.path)))
}

/** The lines that people read; repeated problems are said once. */
export function reportLines(problems: readonly Problem[]): readonly string[] {
  return [...new Set(sorted(problems).map((problem) => `${problem.severity}: ${describeProblem(problem)}`))]
}

/** Whether any of the problems stops the work. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'error')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
