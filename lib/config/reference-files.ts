import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { environmentJsonSchema } from './field-index.ts'
import { programReference } from './program-reference.ts'
import { configurationReference } from './reference.ts'

/** The generated part of the documentation, by its path in the repository. */
export function referenceFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', configurationReference()],
    ['docs/environment.schema.json', `${json(environmentJsonSchema())}\n`],
    ['docs/programs.md', programReference()],
  ])
}

/** The generated files that are missing in a folder, or differ from what would be written. */
export function staleReference(folder: string): readonly string[] {
  return [...referenceFiles()]
    .filter(([file, text]) => !existsSync(join(folder, file)) || readFileSync(join(folder, file), 'utf8') !== text)
    .map(([file]) => file)
}

/** Writes the generated files that are stale, and says which those were. */
export function writeReference(folder: string): readonly string[] {
  const files = referenceFiles()
  const stale = staleReference(folder)
  for (const file of stale) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), files.get(file) ?? '')
  }
  return stale
}

/** Widest line of the formatter of this repository. */
const widestLine = 120

/** JSON as that formatter lays it out: lists in one line where they fit. */
function json(value: unknown, indent = '', used = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  if (Array.isArray(value)) {
    const line = `[${value.map((item) => json(item)).join(', ')}]`
    if (indent.length + used + line.length < widestLine) return line
    return `[\n${value.map((item) => `${inner}${json(item, inner)}`).join(',\n')}\n${indent}]`
  }
  const members = Object.entries(value).map(([key, member]) => {
    const name = `${JSON.stringify(key)}: `
    return `${inner}${name}${json(member, inner, name.length)}`
  })
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
}
