/** A table of Markdown, laid out as the formatter of this repository does it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) => line(widths.map((width, column) => (row[column] ?? '').padEnd(width))))
  return [lines[0], line(widths.map((width) => '-'.repeat(width))), ...lines.slice(1)].join('\n')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** A text as code. */
export function code(text: string): string {
  return `\`${text}\``
}

/** A sentence of what a declaration says: it begins small there and has no full stop. */
export function sentence(description: string): string {
  return `${description.charAt(0).toUpperCase()}${description.slice(1)}.`
}
