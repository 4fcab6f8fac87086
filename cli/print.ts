import type { Problem } from '@regent/contract/problem.ts'
import { reportLines } from '../lib/report.ts'

/** Problems, sorted and each said once, where they do not mix with what a pipeline reads. */
export function printProblems(problems: readonly Problem[]): void {
  for (const line of reportLines(problems)) console.error(line)
}

/** A value as JSON, for a pipeline. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2))
}

/** A value as JSON in one line, for a pipeline that reads line by line. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value)
}

/** A table in plain text: no column is cut, the last one is not padded. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** `1 environment`, `2 environments`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
