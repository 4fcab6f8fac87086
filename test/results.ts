import type { Level } from './arguments.ts'

/** How a level ended. */
export interface Result {
  readonly level: Level
  readonly ran: boolean
  /** Why it did not run. */
  readonly why: string
  readonly passed: number
  readonly failed: number
  readonly stages: readonly { readonly name: string; readonly seconds: number }[]
}

/** The table at the end of a run. */
export function table(results: readonly Result[]): string {
  const rows = results.map(({ level, ran, why, passed, failed, stages }) => [
    level,
    ran ? 'run' : 'not run',
    String(passed),
    String(failed),
    [...(why === '' ? [] : [why]), ...stages.map(({ name, seconds }) => `${name} ${seconds.toFixed(1)} s`)].join(', '),
  ])
  const all = [['level', '', 'passed', 'failed', ''], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return all.map(line).join('\n')
}

/** Prints the table and the sum. Returns the exit code: a run in which no test ran has proven nothing. */
export function printResults(results: readonly Result[]): number {
  const sum = (pick: (result: Result) => number): number => results.reduce((total, each) => total + pick(each), 0)
  const passed = sum((result) => result.passed)
  const failed = sum((result) => result.failed)
  if (passed + failed === 0) console.log('\nno test ran')
  console.log(`\n${table(results)}\n\n${passed} passed, ${failed} failed`)
  return failed > 0 || passed === 0 ? 1 : 0
}
