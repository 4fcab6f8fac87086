import type { Problem } from '@regent/contract/problem.ts'
import { reportLines } from '../lib/report.ts'

/** Problems, sorted and each said once, where they do not mix with what a pipeline reads. */
export function printProblems(problems: readonly Problem[]): void {
  for (const line of reportLines(problems)) console.error(line)
}

/** What a terminal obeys, and what hides or reorders a line: controls, formats such as those of bidi, separators. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** A text of somebody else as people read it: what a terminal would obey is written out, as JSON writes it. */
export function visible(text: string): string {
  return text.replaceAll(unseen, escaped)
}

/** A value as JSON, for a pipeline. */
export function printJson(value: unknown): void {
  // Line breaks between its parts are the only ones: within a text JSON has written them out already.
  console.log(JSON.stringify(value, null, 2).split('\n').map(visible).join('\n'))
}

/** Each UTF-16 unit by its number. */
function escaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/** A value as JSON in one line, for a pipeline that reads line by line. */
export function jsonLine(value: unknown): string {
  return visible(JSON.stringify(value))
}

/** Facts of one thing, a line each; what is not known is left out. */
export function printFacts(facts: readonly (readonly [string, string | undefined])[]): void {
  for (const [name, value] of facts) if (value !== undefined) console.log(`${name.padEnd(12)}${visible(value)}`)
}

/** A table in plain text: no column is cut, the last one is not padded. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const shown = rows.map((row) => row.map(visible))
  const widths = head.map((title, column) => Math.max(title.length, ...shown.map((row) => row[column]?.length ?? 0)))
  return [head, ...shown].map((row) =>
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
