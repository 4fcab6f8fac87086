import { environmentJsonSchema, type FieldSchema } from './field-index.ts'
import { formKey, unitKey } from './fields.ts'
import { code, sentence, table } from './markdown.ts'

const introduction = `# Configuration

<!-- Written by \`npm run docs\` from the schema of an environment. Change the schema, not this file. -->

An environment is one typed file in \`environments/\`, over what it shares with others. This page lists every setting
that it may hold; \`docs/environment.schema.json\` is the same for programs.

## Layers

- An environment consists of at most three layers: \`environments/base.ts\`, what a group shares (such as
  \`environments/production.ts\`), and its own file.
- Objects merge, key by key. Lists and \`null\` replace what is below them. \`undefined\` says nothing.
- Where an object may be \`null\`, writing it switches on what it configures, and \`{}\` does so with every default.
- Every value comes from one file: \`npx regent show staging agent.replicas\` prints both. \`default\` is this page.

## How to change a value

1. Find the setting below, for example \`agent.replicas\`.
2. Write it into the file of the environment, or of the group that shall have it:

   \`\`\`ts
   export const staging = extend(base, import.meta, {
     agent: { replicas: 3 },
   })
   \`\`\`

3. \`npm run synth\`, and review the difference in \`dist/\`.

An unknown key does not compile. Whatever else is wrong is reported at once, with its path, what is allowed, what was
received, what to do and the file, before anything is written.

In the tables, _required_ inside of an object that may be \`null\` means: where that object is written.`

/** The page about every setting of an environment, from its schema. */
export function configurationReference(): string {
  const properties = Object.entries(environmentJsonSchema().properties ?? {})
  const required = environmentJsonSchema().required ?? []
  const own = properties.filter(([, field]) => field.properties === undefined)
  const sections = properties.filter(([, field]) => field.properties !== undefined)
  return [
    introduction,
    '## The environment itself',
    settings(own.map(([key, field]) => row(key, field, required.includes(key)))),
    ...sections.flatMap(([key, field]) => [
      `## ${code(key)}`,
      `${sentence(field.description ?? '')} ${presence(field, required.includes(key))}`,
      settings(rows(field, key)),
    ]),
  ]
    .map((block) => `${block}\n`)
    .join('\n')
}

function settings(rows: readonly (readonly string[])[]): string {
  return table(['Setting', 'Allowed', 'Unit', 'Default', 'Meaning'], rows)
}

function presence(field: FieldSchema, required: boolean): string {
  if (required) return 'Required.'
  return field.default === null ? 'Default: `null`.' : 'May be left out.'
}

/** The rows of what an object holds. An object has a row of its own where it says something. */
function rows(object: FieldSchema, path: string): readonly (readonly string[])[] {
  return Object.entries(object.properties ?? {}).flatMap(([key, field]) => {
    const here = `${path}.${key}`
    const own = row(here, field, object.required?.includes(key) ?? false)
    if (field.properties === undefined) return [own]
    return field.description === undefined ? rows(field, here) : [own, ...rows(field, here)]
  })
}

function row(path: string, field: FieldSchema, required: boolean): readonly string[] {
  return [code(path), allowed(field), field[unitKey] ?? '', fallback(field, required), field.description ?? '']
}

function fallback(field: FieldSchema, required: boolean): string {
  if (required) return '_required_'
  const filled = field.properties !== undefined && field.default !== null
  return filled ? 'as below' : code(JSON.stringify(field.default))
}

/** What a field accepts, in words. */
function allowed(field: FieldSchema): string {
  return field.nullable === true ? `${form(field)}, or \`null\`` : form(field)
}

function form(field: FieldSchema): string {
  if (field.enum !== undefined) return field.enum.map((choice) => code(String(choice))).join(', ')
  switch (field.type) {
    case 'boolean':
      return '`true` or `false`'
    case 'integer':
      return `whole number, ${field.minimum} to ${field.maximum}`
    case 'number':
      return `number, ${field.minimum} to ${field.maximum}`
    case 'array':
      return `list of ${field.minItems ?? 0} to ${field.maxItems}: ${allowed(field.items ?? {})}`
    case 'object':
      return 'object'
    default:
      return field[formKey] ?? `text, ${field.minLength ?? 0} to ${field.maxLength} characters`
  }
}
