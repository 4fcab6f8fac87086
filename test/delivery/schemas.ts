import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiRequest } from '../cluster/api-request.ts'

interface Schema {
  readonly $ref?: string
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly format?: string
  readonly [keyword: string]: unknown
}
interface Document {
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}
interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** Schemas of Kubernetes nest, and those of custom resource definitions for ever. */
const deepest = 24

/**
 * Writes a JSON Schema per kind that the running API server knows, closed at every level, under the names by which
 * kubeconform looks them up. Custom resources are among them once their definitions are installed.
 */
export async function writeServerSchemas(folder: string): Promise<number> {
  const { paths } = await document<{ paths: Readonly<Record<string, { serverRelativeURL: string }>> }>('/openapi/v3')
  let written = 0
  for (const [path, { serverRelativeURL }] of Object.entries(paths)) {
    if (!/^(api|apis\/[^/]+)\/v/.test(path)) continue
    const schemas = (await document<Document>(serverRelativeURL)).components?.schemas ?? {}
    for (const schema of Object.values(schemas)) {
      const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as readonly GroupVersionKind[]
      if (kinds.length !== 1 || schema.properties?.['metadata'] === undefined) continue
      for (const { group, version, kind } of kinds) {
        const suffix = [group.split('.')[0], version].filter((part) => part !== '').join('-')
        const file = join(folder, `${kind.toLowerCase()}-${suffix}.json`)
        writeFileSync(file, JSON.stringify(closed(schema, schemas, 0)))
        written += 1
      }
    }
  }
  return written
}

/** The API server serves the list of its documents as plain text. */
async function document<T>(path: string): Promise<T> {
  const { body } = await apiRequest<T | string>({ path })
  return typeof body === 'string' ? (JSON.parse(body) as T) : body
}

function closed(schema: Schema, schemas: Readonly<Record<string, Schema>>, depth: number): Schema {
  if (depth > deepest) return {}
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref
  if (reference !== undefined) {
    const target = schemas[reference.split('/').at(-1) ?? '']
    if (target === undefined) throw new Error(`the API server refers to ${reference}, which it does not publish`)
    return closed(target, schemas, depth + 1)
  }
  if (schema.format === 'int-or-string' || schema['x-kubernetes-int-or-string'] === true) {
    return { type: ['string', 'integer'] }
  }
  // A quantity, which the server publishes as a choice of text and number.
  if ('oneOf' in schema) return { type: ['string', 'number'] }
  const { properties, items, additionalProperties } = schema
  // Formats such as `int32` and defaults say nothing that a validator of JSON knows.
  const rest = Object.fromEntries(
    Object.entries(schema).filter(
      ([key]) => !['properties', 'items', 'additionalProperties', 'default', 'format'].includes(key),
    ),
  )
  return {
    ...rest,
    ...(items && { items: closed(items, schemas, depth + 1) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: closed(additionalProperties, schemas, depth + 1),
    }),
    ...(properties && {
      additionalProperties: false,
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, closed(property, schemas, depth + 1)]),
      ),
    }),
  }
}
