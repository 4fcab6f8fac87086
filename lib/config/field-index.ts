import { z } from 'zod'
import { environmentSchema } from './environment.ts'
import { formKey, unitKey } from './fields.ts'

/** JSON Schema of what an environment file may write. */
export interface FieldSchema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly nullable?: boolean
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
  readonly items?: FieldSchema
  readonly allOf?: readonly FieldSchema[]
  readonly [unitKey]?: string
  readonly [formKey]?: string
}

let schema: FieldSchema | undefined

/** The schema of an environment as JSON Schema in the dialect of OpenAPI 3.0, the one that Kubernetes knows. */
export function environmentJsonSchema(): FieldSchema {
  schema ??= z.toJSONSchema(environmentSchema, { io: 'input', target: 'openapi-3.0' }) as FieldSchema
  return schema
}

/** The schema at a path such as `agent.replicas`; `undefined` where there is no such field. */
export function fieldAt(path: readonly string[]): FieldSchema | undefined {
  let field: FieldSchema | undefined = environmentJsonSchema()
  for (const key of path) field = /^[0-9]+$/.test(key) ? field?.items : field?.properties?.[key]
  return field
}
